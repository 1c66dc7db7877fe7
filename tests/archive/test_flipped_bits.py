"""Whatever bit of a manifest flips, it is noticed before anything is done by its word."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from golden_archives import GOLDEN
from stranger import found_by_a_stranger

from dashscope_ftlogs import LogSession, ManifestError, verify_archive
from dashscope_ftlogs.archive.manifest import SCHEMA, Manifest, decode, encode
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.text import digests, text_bytes

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]

MANIFESTS = sorted((GOLDEN / f"schema-{SCHEMA}").glob("*/ft-*.manifest.json"))


def flipped(data: bytes) -> Iterator[bytes]:
    """Yield what it becomes by each of its bits."""
    for place in range(len(data)):
        for bit in range(8):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


@pytest.mark.parametrize("path", MANIFESTS[::5], ids=lambda path: f"{path.parent.name}-{path.name}")
def test_no_manifest_is_read_with_any_bit_flipped(path: Path) -> None:
    data = path.read_bytes()
    decode(data, path.name)
    for harmed in flipped(data):
        with pytest.raises(ManifestError):
            decode(harmed, path.name)


LINES = ["waiting for a free GPU"] * 9  # of which any number look like the beginning of the others
CONTENT = text_bytes(LINES)


def vouching(job_id: str) -> bytes:
    """Return a manifest of these lines. Ids have one length, so all their manifests have one."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    size = len(CONTENT)
    return encode(
        Manifest(
            job_id=job_id,
            endpoint="http://127.0.0.1/api/v1",
            lines=9,
            bytes=size,
            file_bytes=size,
            sha256=sha256,
            tail=digests(LINES[-1:]),
            total=9,
        )
    )


def put(folder: Path) -> dict[str, bytes]:
    """Make an archive with a log for each bit of its manifest, that bit flipped; return its files."""
    files: dict[str, bytes] = {}
    for bit in range(8 * len(vouching("ft-00000"))):
        data = bytearray(vouching(f"ft-{bit:05}"))
        data[bit // 8] ^= 1 << bit % 8
        files |= {f"ft-{bit:05}.log": CONTENT, f"ft-{bit:05}.manifest.json": bytes(data)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


async def test_verify_names_every_flipped_bit_and_no_download_touches_its_log(
    connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    files = await asyncio.to_thread(put, folder)
    verdicts = list(verify_archive(folder))
    assert len(verdicts) == len(files) / 2 > 4_000
    assert {verdict.state for verdict in verdicts} == {"damaged"}
    assert all("DAMAGED" in said for said in found_by_a_stranger(folder).values())
    # One bit of each byte: another one each time, and by now all were tried on what reads manifests.
    job_ids = [f"ft-{8 * byte + byte % 8:05}" for byte in range(len(verdicts) // 8)]
    async with Emulator([EmulatedJob(job_id, [*LINES, "done"]) for job_id in job_ids]) as emulator:
        async with connect(emulator) as session:
            outcomes = await session.download(job_ids, folder)
        assert not emulator.journal
    assert {type(outcome.error) for outcome in outcomes} == {ManifestError}
    assert {name: (folder / name).read_bytes() for name in files} == files
