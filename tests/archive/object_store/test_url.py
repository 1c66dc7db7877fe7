"""Which URLs name an archive."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import InvalidArgumentError
from dashscope_ftlogs.archive.object_store.url import KINDS, is_store_url, store_url
from dashscope_ftlogs.archive.where import store_at


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("behind", "prefix"), [("", ""), ("/", ""), ("/a", "a"), ("/a/b c/", "a/b c")])
def test_a_url_names_a_bucket_and_a_prefix(kind: str, behind: str, prefix: str) -> None:
    found = store_url(f"{kind}://bucket-1{behind}")
    assert (found.kind, found.bucket, found.prefix) == (kind, "bucket-1", prefix)
    assert str(found) == f"{kind}://bucket-1" + (f"/{prefix}" if prefix else "")


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "s3:///prefix",
        "s3://user:secret@bucket/prefix",
        "s3://bucket:9000/prefix",
        "s3://bucket//prefix",
        "s3://bucket/a/../b",
        "s3://bucket/./b",
        "s3://bucket/a?versionId=1",
        "s3://bucket/a#b",
        "s3://bucket/a%2e",
        "s3://bucket/\x1b[2J",
        "s3://bucket/a\n",
        "s3://-bucket",
        "s3://bucket/日志",
    ],
)
def test_what_a_store_might_take_otherwise_is_refused(text: str) -> None:
    assert is_store_url(text)
    with pytest.raises(InvalidArgumentError, match=r"must be s3://BUCKET/PREFIX") as told:
        store_url(text)
    assert "\x1b" not in str(told.value)
    with pytest.raises(InvalidArgumentError):
        store_at(text)


@pytest.mark.parametrize(
    "text", ["http://host/logs", "s3:/bucket/logs", "S3://bucket", "ftp://x", "file:///x"]
)
def test_a_url_of_another_kind_never_becomes_a_directory(text: str, tmp_path: Path) -> None:
    assert not is_store_url(text)
    with pytest.raises(InvalidArgumentError, match="a URL, as a string"):
        store_at(text)
    assert not list(tmp_path.glob("*:*"))


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_is_refused(text: str) -> None:
    try:
        found = store_url(f"s3://{text}")
    except InvalidArgumentError:
        return
    assert store_url(str(found)) == found
    assert not {".", "..", ""} & set(f"{found.bucket}/{found.prefix}".rstrip("/").split("/"))
