"""What a manifest holds, and that no change of it goes unnoticed."""

import ast
import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sealed_manifests import sealed

import dashscope_ftlogs
from dashscope_ftlogs import ArchiveMismatchError, Job, ManifestError
from dashscope_ftlogs.archive.manifest import SCHEMA, Manifest, Piece, decode, encode, facts, storable

MANIFEST = Manifest(job_id="ft-1", endpoint="https://x/api/v1", lines=9, tail=("a",) * 5)
PIECE = Piece(lines=3, bytes=30, file_bytes=20, sha256="0" * 64)
IN_PIECES = attrs.evolve(MANIFEST, bytes=90, file_bytes=70, pieces=(PIECE, PIECE, PIECE))
FACTS = json.loads(encode(MANIFEST))
del FACTS["checksum"]


def test_pieces_are_read_as_they_were_written() -> None:
    read = decode(encode(IN_PIECES), "ft-1.manifest.json")
    assert read == IN_PIECES
    assert read.last_piece == Piece(lines=0, bytes=0, file_bytes=10, sha256=MANIFEST.sha256)


def test_a_checksum_is_made_as_its_page_says() -> None:
    assert sealed(**FACTS) == encode(MANIFEST)
    assert decode(sealed(**FACTS), "ft-1.manifest.json") == MANIFEST


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not a manifest"),
        (b"\xff", "is not a manifest"),
        (b"[]", "is not a manifest"),
        (b"[" * 100_000, "is not a manifest"),
        (b"42", "is not a manifest"),
        (b'{"schema": 1, "job_id": "ft-1"}', "missing required field"),
        (b'{"schema": 1, "job_id": "ft-1", "endpoint": "x", "uail": []}', "unknown field uail"),
        (
            b'{"schema": 1, "job_id": "ft-1", "endpoint": "x", "settling": true}',
            "unknown field settling",
        ),
        (b'{"schema": 1, "job_id": "ft-1", "job_id": "ft-1", "endpoint": "x"}', "something twice"),
        (b'{"schema": 1, "job_id": "ft-1", "endpoint": "x", "job": {"x": NaN}}', "NaN is no JSON"),
        (b'{"schema": true, "job_id": "ft-1", "endpoint": "x"}', "no schema that there is"),
        (sealed(job_id="ft-1", endpoint="x"), "no schema that there is"),
        (sealed(schema=0, job_id="ft-1", endpoint="x"), "no schema that there is"),
        (sealed(schema=1, job_id="ft-1", endpoint="x"), "unknown field checksum"),
        (sealed(**FACTS | {"uail": []}), "unknown field uail"),
        (
            sealed(**{name: value for name, value in FACTS.items() if name != "tail"}),
            "lacks the field tail",
        ),
        (sealed(**FACTS).replace(b'"checksum"', b'"colour": [], "checksum"'), "checksum is not that"),
        (sealed(twice='"lines": 9,', **FACTS), "something twice"),
        (sealed(**FACTS)[:-1], "checksum is not that"),
        (sealed(**FACTS) + b"\n", "checksum is not that"),
        (encode(attrs.evolve(MANIFEST, lines=-1)), "does not fit"),
        (encode(attrs.evolve(MANIFEST, lines=4)), "does not fit"),
        (encode(attrs.evolve(MANIFEST, file_bytes=-1)), "does not fit"),
        (encode(attrs.evolve(MANIFEST, piece_bytes=0)), "does not fit"),
        (encode(attrs.evolve(IN_PIECES, lines=8)), "does not fit"),
        (encode(attrs.evolve(IN_PIECES, bytes=89)), "does not fit"),
        (encode(attrs.evolve(IN_PIECES, file_bytes=59)), "does not fit"),
        (encode(attrs.evolve(IN_PIECES, pieces=(attrs.evolve(PIECE, lines=0),))), "does not fit"),
        (encode(attrs.evolve(IN_PIECES, pieces=(attrs.evolve(PIECE, bytes=-1),))), "does not fit"),
        (encode(attrs.evolve(IN_PIECES, pieces=(attrs.evolve(PIECE, file_bytes=0),))), "does not fit"),
        (sealed(**FACTS | {"pieces": [{"lines": 1}]}), "missing required field"),
        (sealed(**FACTS | {"pieces": {}}), "Expected `array`"),
        (
            sealed(**FACTS | {"pieces": [attrs.asdict(PIECE) | {"colour": "blue"}]}),
            "unknown field in a piece",
        ),
        (encode(attrs.evolve(MANIFEST, job_id="ft-2")), "does not fit"),
        (encode(attrs.evolve(MANIFEST, job_id="../ft-1")), "does not fit"),
        (encode(attrs.evolve(MANIFEST, superseded=True)), "does not fit"),
        (encode(MANIFEST).replace(b'"text"', b'"exe"'), "is not a manifest"),
    ],
)
def test_a_manifest_that_is_none_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ManifestError, match=words) as refused:
        decode(data, "ft-1.manifest.json")
    assert "ft-1.manifest.json" in str(refused.value)
    assert "move it and its log away" in str(refused.value)


@pytest.mark.parametrize("schema", [SCHEMA + 1, 10**30])
def test_a_manifest_of_a_newer_version_is_told_from_a_damaged_one(schema: int) -> None:
    newer = sealed(**FACTS | {"schema": schema, "lines": "many", "colour": "blue"})
    with pytest.raises(ArchiveMismatchError, match=r"ft-1\.manifest\.json was made by a newer version"):
        decode(newer, "ft-1.manifest.json")
    with pytest.raises(ManifestError, match="checksum is not that"):
        decode(newer.replace(b"blue", b"blwe"), "ft-1.manifest.json")


@given(st.binary())
def test_any_bytes_are_a_manifest_or_an_archive_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        decode(data, "ft-1.manifest.json")


@pytest.mark.unmeasured
@given(st.recursive(st.text(st.characters()), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_a_manifest_holds_whatever_the_service_says_of_a_job(value: Any) -> None:
    job = Job("ft-1", "RUNNING", job_name="\ud800", hyper_parameters={"x": value, "y": 1e-5})
    known = decode(encode(attrs.evolve(MANIFEST, job=facts(job))), "ft-1.manifest.json")
    assert known.job["job_name"] == "\\ud800"
    assert known.job["hyper_parameters"]["y"] == 1e-5


def test_a_manifest_holds_whatever_the_service_called_its_answers() -> None:
    known = decode(encode(attrs.evolve(MANIFEST, last_request_id="\ud800")), "ft-1.manifest.json")
    assert known.last_request_id == "\\ud800"


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
def test_what_is_nested_more_than_a_hundred_deep_is_cut_there(wrap: Any) -> None:
    kept, cut = "x", "nested too deeply to keep"
    for _ in range(100):
        kept, cut = wrap(kept), wrap(cut)
    assert storable(kept) == kept
    assert storable(wrap(kept)) == cut


CONVERTERS = {"msgspec.convert", "msgspec.json.decode"}
PACKAGE = Path(dashscope_ftlogs.__file__).parent


def learned_too_late(source: str) -> list[str]:
    """Return the classes that msgspec learns of when it is first asked, not when a module is imported.

    What it learns is open to other threads while it learns it, and to read it then is a crash.
    """
    tree = ast.parse(source)
    at_import = {
        ast.unparse(node.args[0])
        for statement in tree.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Decoder")
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef)
    }
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CONVERTERS:
            given = [*node.args[1:], *(word.value for word in node.keywords if word.arg == "type")]
            kinds = {ast.unparse(kind) for kind in given} - at_import
            found += [kind for kind in kinds if not kind.endswith(".type") and not kind.isupper()]
    return found


def test_what_msgspec_knows_of_a_class_it_learned_before_a_second_thread_could_ask() -> None:
    sources = {path: path.read_text("utf-8") for path in PACKAGE.glob("**/*.py")}
    using = {path: source for path, source in sources.items() if "msgspec." in source}
    assert len(using) > 3
    assert not {path: late for path, source in using.items() if (late := learned_too_late(source))}
    assert learned_too_late("def f(x): return msgspec.convert(x, Job)") == ["Job"]
    assert learned_too_late("def f(x): return msgspec.json.decode(x, type=Job)") == ["Job"]
    assert (
        learned_too_late("D = msgspec.json.Decoder(Job)\ndef f(x): return msgspec.convert(x, Job)") == []
    )
