"""The logs endpoint, as the vendor's page describes it."""

from typing import Any
from uuid import UUID

import aiohttp
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LINES = [f"line {number}" for number in range(2500)]


@pytest.fixture
async def emulator() -> Any:
    async with Emulator([EmulatedJob("ft-1", LINES)], seed=1) as emulator:
        yield emulator


async def test_without_parameters_the_first_100_lines_come(emulator: Emulator, ask: Any) -> None:
    got = await ask(emulator)
    assert (got.lines, got.total) == (LINES[:100], 2500)
    assert got.headers["Content-Type"] == "application/json"


async def test_the_offset_is_a_zero_based_skip_count(emulator: Emulator, ask: Any) -> None:
    assert (await ask(emulator, offset=1, line=2)).lines == ["line 1", "line 2"]


async def test_up_to_1000_lines_come_at_once(emulator: Emulator, ask: Any) -> None:
    assert (await ask(emulator, offset=7, line=1000)).lines == LINES[7:1007]


async def test_fewer_lines_come_where_fewer_exist(emulator: Emulator, ask: Any) -> None:
    assert (await ask(emulator, offset=2498, line=1000)).lines == LINES[2498:]


@pytest.mark.parametrize("offset", [2500, 2501, 10**15])
async def test_past_the_end_there_are_no_lines_and_no_error(
    emulator: Emulator, ask: Any, offset: int
) -> None:
    got = await ask(emulator, offset=offset)
    assert (got.lines, got.total) == ([], 2500)


@pytest.mark.parametrize(
    "query",
    [
        {"line": "0"},
        {"line": "1001"},
        {"line": "-1"},
        {"line": ""},
        {"line": "ten"},
        {"line": "1e2"},
        {"line": "٣"},
        {"offset": "-1"},
        {"offset": "1.0"},
        {"offset": " 1"},
        {"offset": "9" * 5000},
    ],
    ids=repr,
)
async def test_what_is_out_of_range_or_no_number_is_refused_by_name(
    emulator: Emulator, ask: Any, query: dict[str, str]
) -> None:
    got = await ask(emulator, **query)
    assert (got.status, got.json["code"]) == (400, "InvalidParameter")
    assert f"'{next(iter(query))}'" in got.json["message"]
    assert len(got.json["message"]) < 120
    assert emulator.journal[-1].offset is None


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer sk-other", "Basic {key}", "{key}", "Bearer {key}x"]
)
async def test_another_key_or_none_is_refused(emulator: Emulator, ask: Any, authorization: str) -> None:
    header = {"Authorization": authorization.format(key=emulator.api_key)}
    got = await ask(emulator, headers=header)
    assert (got.status, got.json["code"]) == (401, "InvalidApiKey")


async def test_the_scheme_may_be_written_in_any_case(emulator: Emulator, ask: Any) -> None:
    header = {"Authorization": f"bearer {emulator.api_key}"}
    assert (await ask(emulator, headers=header)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/fine-tunes/ft-2/logs",
        "/fine-tunes//logs",
        "/fine-tunes/ft-1/logs/",
        "/fine-tunes/ft-1/events",
        "/fine-tunes/",
        "/files",
        "",
        "/../v2/fine-tunes",
    ],
)
async def test_what_does_not_exist_is_not_found(emulator: Emulator, ask: Any, path: str) -> None:
    got = await ask(emulator, path)
    assert (got.status, got.json["code"], got.json["message"]) == (404, "NotFound", "Not found!")


async def test_a_path_outside_the_api_is_not_found(emulator: Emulator) -> None:
    url = emulator.base_url.removesuffix("/api/v1") + "/fine-tunes/ft-1/logs"
    key = {"Authorization": f"Bearer {emulator.api_key}"}
    async with aiohttp.ClientSession() as client, client.get(url, headers=key) as response:
        assert response.status == 404


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
async def test_logs_can_only_be_read(emulator: Emulator, ask: Any, method: str) -> None:
    assert (await ask(emulator, method=method)).status == 404


async def test_the_request_id_is_in_body_and_header_and_never_the_same(
    emulator: Emulator, ask: Any
) -> None:
    answers = [await ask(emulator, line=line) for line in (1, 1, 0)]
    ids = [got.json["request_id"] for got in answers]
    assert [got.headers["x-request-id"] for got in answers] == ids
    assert len({UUID(text) for text in ids}) == 3


async def test_request_ids_repeat_with_the_seed(ask: Any) -> None:
    ids = []
    for seed in (4, 4, 5):
        async with Emulator(seed=seed) as emulator:
            ids.append((await ask(emulator)).json["request_id"])
    assert ids[0] == ids[1] != ids[2]


async def test_without_a_seed_request_ids_are_new_each_time_and_nothing_else_is(ask: Any) -> None:
    """Two archives, of an emulator and of the one after it, are no copies of one another."""
    ids, sizes = set(), set()
    for seed in (None, None, 0):
        async with Emulator([EmulatedJob("ft-1", LINES)], ragged=0.5, seed=seed) as emulator:
            got = [await ask(emulator, line=1000) for _ in range(5)]
        ids.update(one.json["request_id"] for one in got)
        sizes.add(tuple(len(one.lines) for one in got))
    assert (len(ids), len(sizes)) == (15, 1)


@pytest.mark.parametrize("job_id", ["a/b", "ü", "a b", "a%2Fb", "ft-1?x", "#"])
async def test_any_job_id_can_be_asked_for_in_percent_encoding(ask: Any, job_id: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in job_id.encode())
    async with Emulator([EmulatedJob(job_id, ["x"])]) as emulator:
        assert (await ask(emulator, f"/fine-tunes/{encoded}/logs")).lines == ["x"]
    assert emulator.journal[0].job_id == job_id


def paired(text: str) -> str:
    """JSON has no way to say two halves of one character that are not that character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


TEXT = st.text(st.characters(exclude_categories=()), max_size=20).map(paired)  # lone surrogates too


@pytest.mark.covered
@settings(max_examples=40)
@example(["\ud800", "\r\n\0\x1b[2J\u2028\x85", "😀" * 1000], 0, 3)
@given(st.lists(TEXT, max_size=12), st.integers(0, 14), st.integers(1, 14))
async def test_any_window_of_any_log_is_its_slice(lines: list[str], offset: int, line: int) -> None:
    async with Emulator([EmulatedJob("ft-1", lines)]) as emulator, aiohttp.ClientSession() as client:
        url = f"{emulator.base_url}/fine-tunes/ft-1/logs?offset={offset}&line={line}"
        key = {"Authorization": f"Bearer {emulator.api_key}"}
        async with client.get(url, headers=key) as response:
            assert (await response.json())["output"] == {
                "total": len(lines),
                "logs": lines[offset : offset + line],
            }


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip, deflate", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("deflate", False),
        ("identity", False),
    ],
)
async def test_bodies_are_gzip_where_the_client_accepts_it(
    emulator: Emulator, ask: Any, accepted: str, zipped: bool
) -> None:
    got = await ask(emulator, line=500, headers={"Accept-Encoding": accepted})
    assert (got.headers.get("Content-Encoding") == "gzip") == zipped
    assert got.body.startswith(b"\x1f\x8b" if zipped else b"{")
    assert int(got.headers["Content-Length"]) == len(got.body)


async def test_small_bodies_are_sent_plain(emulator: Emulator, ask: Any) -> None:
    got = await ask(emulator, line=1, headers={"Accept-Encoding": "gzip"})
    assert got.lines == ["line 0"]


async def test_gzip_can_be_switched_off(ask: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", LINES)], compress=False) as emulator:
        assert (await ask(emulator, headers={"Accept-Encoding": "gzip"})).lines == LINES[:100]


async def test_what_gzip_packs_is_the_same_answer(emulator: Emulator) -> None:
    url = f"{emulator.base_url}/fine-tunes/ft-1/logs?line=1000"
    key = {"Authorization": f"Bearer {emulator.api_key}"}
    async with aiohttp.ClientSession() as client, client.get(url, headers=key) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert (await response.json())["output"]["logs"] == LINES[:1000]


async def test_a_page_cap_gives_fewer_lines_and_says_nothing(ask: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", LINES)], page_cap=7) as emulator:
        got = await ask(emulator, offset=3, line=1000)
        assert (got.lines, got.total) == (LINES[3:10], 2500)
        assert (await ask(emulator, line=5)).lines == LINES[:5]


async def test_ragged_pages_are_shorter_but_never_empty_and_repeat_with_the_seed(ask: Any) -> None:
    async def sizes(seed: int) -> list[int]:
        async with Emulator([EmulatedJob("ft-1", LINES)], ragged=0.5, seed=seed) as emulator:
            return [len((await ask(emulator)).lines) for _ in range(30)]

    first = await sizes(1)
    assert 5 < first.count(100) < 25
    assert all(1 <= size <= 100 for size in first)
    assert first == await sizes(1) != await sizes(2)


async def test_a_ragged_page_of_one_line_keeps_it(ask: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])], ragged=1) as emulator:
        assert (await ask(emulator)).lines == ["x"]


def test_latency_reads_as_it_was_set() -> None:
    emulator = Emulator(latency=(0.1, 0.2))
    assert emulator.latency == (0.1, 0.2)
    emulator.latency = 0.5
    assert emulator.latency == 0.5
    with pytest.raises(ValueError, match="latency must be seconds"):
        emulator.latency = (0.2, 0.1)
    assert emulator.latency == 0.5
