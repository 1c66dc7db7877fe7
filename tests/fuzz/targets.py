"""What is fuzzed: each target takes any bytes, and raises only where a promise is broken."""

import gzip
import io
import pickle
import zlib
from collections.abc import Callable

from dashscope_ftlogs import ArchiveError, ConfigError, FTLogsError, parse_lines
from dashscope_ftlogs.archive.local_log_reader import numbered_lines
from dashscope_ftlogs.archive.manifest import decode, encode
from dashscope_ftlogs.client.config import resolve
from dashscope_ftlogs.client.redaction import without
from dashscope_ftlogs.client.wire import CheckpointsRequest, JobRequest, JobsRequest, LogsRequest
from dashscope_ftlogs.metrics.points import read_points
from dashscope_ftlogs.metrics.table import MetricsTable
from dashscope_ftlogs.text import escaped, jsonl_bytes, text_bytes

REQUESTS = (LogsRequest("ft-1", 5, 3), LogsRequest("ft-1", 0, 1000, lines_due=True))
STATUSES = (200, 200, 200, 429, 500, 404, 302, 599)
HEADERS = ("retry-after", "retry-after-ms", "date", "location", "x-request-id")


def text_of(data: bytes) -> str:
    """Return any text, lone surrogates included."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def wire(data: bytes) -> None:
    """An answer is a value, or an error that is safe to print, pickles, and holds no key."""
    choice, data = (data[0], data[1:]) if data else (0, b"")
    others = (JobRequest("ft-1"), JobsRequest(1, 100), CheckpointsRequest("ft-1"))
    request = (*REQUESTS, *others)[choice % 5]
    head, found, body = data.partition(b"\0")
    values = text_of(head).split("\n") if found else []
    headers = dict(zip(HEADERS, values, strict=False))
    answer = without("sk-secret", STATUSES[choice // 5 % 8], headers, body if found else data)
    try:
        value = request.read(*answer)
    except FTLogsError as error:
        assert escaped(str(error)) == str(error)
        assert len(str(error)) < 4_000
        assert "sk-secret" not in str(error)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
    else:
        if isinstance(request, LogsRequest):
            lines = value.lines  # type: ignore[union-attr]
            assert len(lines) <= request.line
            text_bytes(lines)
            jsonl_bytes(lines, 0)


def records(data: bytes) -> None:
    """Any lines are records and points, and a table that others can take."""
    lines = text_of(data).split("\n")
    last = 0
    for number, record in parse_lines(lines):
        assert last <= number < len(lines)
        last = number
        assert isinstance(record.raw, str)
    points = read_points(lines)
    table = MetricsTable(("log", point) for point in points)
    assert len(list(table.rows())) == len(points)


def manifest(data: bytes) -> None:
    """Any file is a manifest, which can be written and read again, or an ArchiveError."""
    try:
        found = decode(data, "ft-1.manifest.json")
    except ArchiveError as error:
        assert escaped(str(error)) == str(error)
        return
    assert found.job_id == "ft-1"
    assert decode(encode(found), "ft-1.manifest.json").lines == found.lines


def config(data: bytes) -> None:
    """Any settings are usable, or a ConfigError that shows no key."""
    key, url, region, workspace, toml = (text_of(data).split("\0") + [""] * 5)[:5]
    names = ("DASHSCOPE_API_KEY", "DASHSCOPE_BASE_URL", "DASHSCOPE_REGION", "DASHSCOPE_WORKSPACE")
    environ = dict(zip(names, (key, url, region, workspace), strict=True))
    try:
        found = resolve(environ=environ, read_text={"~/.dashscope/config.toml": toml}.get)
    except ConfigError as error:
        assert len(key) < 8 or key in url + region + workspace + toml or key not in str(error)
        return
    assert found.base_url.startswith(("https://", "http://"))
    assert found.api_key.isascii()
    assert repr(found.api_key) == "'[secret]'"


def stored(data: bytes) -> None:
    """Any file is lines, or one of the errors that broken compression stands for."""
    file = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]
    try:
        lines = list(numbered_lines(file))
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return
    assert all(isinstance(line, str) for _, line in lines)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (wire, records, manifest, config, stored)
}
