"""How object storage is reached, as the environment says."""

from typing import Any

import pytest

from dashscope_ftlogs import ConfigError
from dashscope_ftlogs.archive.object_store.settings import Keys, settings
from dashscope_ftlogs.archive.object_store.url import store_url

OSS = {
    "OSS_ACCESS_KEY_ID": "id",
    "OSS_ACCESS_KEY_SECRET": "hush",
    "OSS_ENDPOINT": "oss-cn-beijing.aliyuncs.com",
}
S3 = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hush"}


def options(url: str, environ: dict[str, str]) -> dict[str, Any]:
    return dict(settings(store_url(url), environ).options)


@pytest.mark.parametrize(
    ("said", "endpoint", "by_name", "region"),
    [
        ("oss-cn-beijing.aliyuncs.com", "https://b.oss-cn-beijing.aliyuncs.com", True, "cn-beijing"),
        (
            "https://oss-cn-beijing.aliyuncs.com",
            "https://b.oss-cn-beijing.aliyuncs.com",
            True,
            "cn-beijing",
        ),
        (
            "https://s3.oss-us-west-1-internal.aliyuncs.com",
            "https://b.s3.oss-us-west-1-internal.aliyuncs.com",
            True,
            "us-west-1",
        ),
        (
            "https://b.oss-cn-beijing.aliyuncs.com",
            "https://b.oss-cn-beijing.aliyuncs.com",
            True,
            "cn-beijing",
        ),
        ("https://logs.example.com", "https://b.logs.example.com", True, "cn-hangzhou"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000", False, "cn-hangzhou"),
        ("http://localhost:9000", "http://localhost:9000", False, "cn-hangzhou"),
    ],
)
def test_oss_has_the_bucket_in_the_name_of_its_host(
    said: str, endpoint: str, by_name: bool, region: str
) -> None:
    found = options("oss://b/logs", OSS | {"OSS_ENDPOINT": said})
    assert found == {
        "credential_provider": Keys("id", "hush", None),
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "skip_signature": False,
        "virtual_hosted_style_request": by_name,
        "disable_bulk_delete": True,
        "region": region,
    }


def test_oss_takes_a_region_and_a_token_of_its_own() -> None:
    found = options("oss://b", OSS | {"OSS_REGION": "cn-x", "OSS_SESSION_TOKEN": "token"})
    assert found["region"] == "cn-x"
    assert found["credential_provider"]() == {
        "access_key_id": "id",
        "secret_access_key": "hush",
        "token": "token",
        "expires_at": None,
    }


@pytest.mark.parametrize("missing", OSS)
def test_oss_says_what_is_missing(missing: str) -> None:
    with pytest.raises(ConfigError, match=f"OSS needs {missing} in the environment"):
        settings(store_url("oss://b"), {name: said for name, said in OSS.items() if name != missing})


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_s3_takes_an_endpoint_from_where_its_own_tools_do(name: str) -> None:
    here = settings(store_url("s3://b"), S3 | {name: "http://[::1]:9000"})
    assert here.allow_http
    assert dict(here.options) == {"endpoint": "http://[::1]:9000", "region": "us-east-1"}
    there = settings(store_url("s3://b"), S3 | {name: "https://minio.example.com", "AWS_REGION": "x"})
    assert not there.allow_http
    assert dict(there.options) == {"endpoint": "https://minio.example.com"}


def test_without_an_endpoint_s3_is_left_to_find_its_keys_itself() -> None:
    assert not settings(store_url("s3://b"), {}).options


@pytest.mark.parametrize(
    "environ", [{"AWS_ENDPOINT_URL": "https://x"}, {"AWS_EC2_METADATA_DISABLED": "TRUE"}]
)
def test_no_metadata_is_asked_for_where_there_can_be_none(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        settings(store_url("s3://b"), environ)
    assert settings(store_url("s3://b"), environ | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/x"})


@pytest.mark.parametrize(
    "said",
    [
        "http://minio.example.com",
        "http://10.0.0.1:9000",
        "http://127.0.0.1.example.com",
        "http://2130706433",
    ],
)
@pytest.mark.parametrize("kind", ["s3", "oss"])
def test_no_key_goes_over_plain_http_to_another_machine(kind: str, said: str) -> None:
    with pytest.raises(ConfigError, match="plain http"):
        settings(store_url(f"{kind}://b"), S3 | OSS | {"AWS_ENDPOINT_URL": said, "OSS_ENDPOINT": said})


@pytest.mark.parametrize(
    "said",
    ["ftp://host", "https://", "https://id:hush@host", "https://host:port", "https://[::1", "//host"],
)
@pytest.mark.parametrize("kind", ["s3", "oss"])
def test_what_is_no_endpoint_is_refused_without_being_repeated(kind: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"_ENDPOINT(_URL)? is not the URL of an endpoint") as told:
        settings(store_url(f"{kind}://b"), S3 | OSS | {"AWS_ENDPOINT_URL": said, "OSS_ENDPOINT": said})
    assert "hush" not in str(told.value)


@pytest.mark.parametrize("kind", ["gs", "az"])
def test_other_kinds_are_left_to_what_their_own_tools_read(kind: str) -> None:
    assert not settings(store_url(f"{kind}://b"), {}).options


def test_no_key_is_shown() -> None:
    for url in ("oss://b", "s3://b"):
        assert "hush" not in repr(settings(store_url(url), S3 | OSS))
    assert "hush" not in repr(Keys("id", "hush", "hush"))
