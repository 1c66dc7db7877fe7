"""Jobs by short names, and the listing: what is found, in what order, and what is refused."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from dashscope_ftlogs.emulator import Body, EmptyPage, EmulatedJob, Emulator, Fault, Refuse

NEW = f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%d %H:%M:%S}"
OLD = "2025-12-07 09:13:00"
JOBS = [
    EmulatedJob("ft-202512062026-1213", ["a"], usage=5, model="qwen3-8b", job_name="训练一"),
    EmulatedJob("ft-202512062140-5383", ["b"], status="FAILED", create_time="2025-12-06 21:40:05"),
    EmulatedJob("ft-202512070912-be8c", ["c"], status="RUNNING", create_time=NEW),
    EmulatedJob("ft-202512070913-ce8c", ["d"], status="RUNNING", create_time=OLD),
    EmulatedJob("ft-1", ["e"]),
]


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        *(
            ("1213", b"a\n"),
            ("ft-20251206214", b"b\n"),
            ("202512062140-5383", b"b\n"),
            ("@last", b"c\n"),
        ),
        *(("ft-1", b"e\n"), ("1", b"e\n"), ("ft-202512062026-1213", b"a\n")),
    ],
)
async def test_a_job_is_found_by_what_only_its_id_begins_or_ends_with(
    ftlogs: Any, name: str, printed: bytes
) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("cat", name, emulator=emulator)
    assert (ended.code, ended.out) == (0, printed)
    begins = "ftlogs: 'ft-20251206214' is the beginning of ft-202512062140-5383\n"
    assert ended.err == (begins if name == "ft-20251206214" else "")


async def test_a_word_that_is_the_name_of_a_job_is_told_as_that(ftlogs: Any) -> None:
    jobs = [EmulatedJob(f"ft-{n}", job_name="sales-bot" if n < 3 else "other") for n in range(1, 4)]
    async with Emulator(jobs) as emulator:
        several = await ftlogs("cat", "sales-bot", emulator=emulator)
        one = await ftlogs("plot", "other", emulator=emulator)
    assert (several.code, one.code) == (4, 4)
    assert "begins or ends with 'sales-bot'; that is the name of 2 jobs, ft-1, ft-2. " in several.err
    assert "begins or ends with 'other'; that is the name of ft-3. " in one.err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("e8c", "'e8c' fits 2 jobs, ft-202512070912-be8c, ft-202512070913-ce8c: say more of the id"),
        ("@running", "@running stands for 2 jobs, ft-202512070912-be8c, ft-202512070913-ce8c: name one"),
        ("@lost", "'@lost': of such words there are @last and @running"),
    ],
)
async def test_a_name_that_fits_several_jobs_lists_them(ftlogs: Any, name: str, told: str) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("cat", name, emulator=emulator)
    assert (ended.code, ended.out, ended.err) == (2, b"", f"ftlogs: {told}.\n")


async def test_what_runs_is_what_runs_in_any_case(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", ["a"], status="Running")]) as emulator:
        ended = await ftlogs("cat", "@running", emulator=emulator)
    assert (ended.code, ended.out) == (0, b"a\n")


async def test_of_very_many_that_fit_some_are_named(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob(f"ft-20251206{n:04}-aaaa") for n in range(30)]) as emulator:
        ended = await ftlogs("cat", "aaaa", emulator=emulator)
    assert "fits 30 jobs, ft-202512060000-aaaa, " in ended.err
    assert ended.err.endswith(" and 22 more: say more of the id.\n")


@pytest.mark.parametrize(("name", "told"), [("@last", "has no job"), ("@running", "no job is running")])
async def test_where_there_is_none_to_be_meant_that_is_told(ftlogs: Any, name: str, told: str) -> None:
    async with Emulator() as emulator:
        ended = await ftlogs("show", name, emulator=emulator)
    assert (ended.code, ended.out) == (2, b"")
    assert told in ended.err


async def test_what_is_some_job_s_whole_id_means_that_one(ftlogs: Any) -> None:
    jobs = [EmulatedJob("job-7", ["mine"]), EmulatedJob("my-job-7", ["not mine"])]
    async with Emulator(jobs) as emulator:
        ended = await ftlogs("cat", "job-7", emulator=emulator)
    assert (ended.code, ended.out) == (0, b"mine\n")


async def test_a_whole_id_costs_no_listing(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator:
        for words in (("cat", "ft-202512062026-1213"), ("tail", "ft-1"), ("show", "ft-1")):
            assert (await ftlogs(*words, emulator=emulator)).code == 0
    assert "list" not in {exchange.endpoint for exchange in emulator.journal}


async def test_every_command_takes_short_names(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator(JOBS) as emulator:
        tail = await ftlogs("tail", "1213:0", "@running", emulator=emulator)
        show = await ftlogs("show", "5383", "@last", "--format", "jsonl", emulator=emulator)
        download = await ftlogs(
            "download", "1213", "5383", "--out", str(tmp_path / "a"), emulator=emulator
        )
    assert [line[-1:] for line in tail.out.splitlines()] == [b"a", b"c", b"d"]
    assert tail.out.splitlines()[1].startswith(b"[ft-202512070912-be8c] ")
    assert [json.loads(row)["name"] for row in show.out.splitlines()] == [
        "ft-202512062140-5383",
        "ft-202512070912-be8c",
    ]
    assert download.code == 0
    for job_id in ("ft-202512062026-1213", "ft-202512062140-5383"):
        assert f"{job_id}  complete".encode() in download.out


async def test_a_job_that_is_named_in_two_ways_is_one_log(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator:
        words = ("@last", "be8c", "ft-202512070912-be8c", "@running", "5383", "5383")
        show = await ftlogs("show", *words, "--format", "jsonl", emulator=emulator)
        metrics = await ftlogs("metrics", *words, emulator=emulator)
    assert [json.loads(row)["name"] for row in show.out.splitlines()] == [
        "ft-202512070912-be8c",
        "ft-202512070913-ce8c",
        "ft-202512062140-5383",
    ]
    assert b"(2)" not in metrics.out


async def test_a_file_of_ids_takes_short_names_and_may_begin_as_windows_begins_files(
    ftlogs: Any, start_ftlogs: Any, tmp_path: Path
) -> None:
    ids = tmp_path / "ids"
    ids.write_text("\ufeff1213\n@last\n", "utf-8")
    async with Emulator(JOBS) as emulator:
        words = ("download", "--settle", "0", "--out", str(tmp_path / "a"), "--format", "jsonl")
        named = await ftlogs(*words, "--from-file", str(ids), emulator=emulator)
        process = await start_ftlogs(
            (*words[:-2], "--from-file", "-"), emulator, stdin=asyncio.subprocess.PIPE
        )
        piped, _ = await process.communicate(ids.read_bytes())
    for out in (named.out, piped):
        assert b"ft-202512062026-1213" in out
        assert b"ft-202512070912-be8c" in out
        assert len(out.splitlines()) == 3


@pytest.mark.covered
@pytest.mark.parametrize("words", [(), ("-f",)], ids=str)
async def test_a_job_that_is_named_in_two_ways_has_one_place_to_begin_at(
    ftlogs: Any, words: tuple[str, ...]
) -> None:
    async with Emulator(JOBS) as emulator:
        told = await ftlogs("tail", *words, "1213:0", "ft-202512062026-1213:1", emulator=emulator)
        once = await ftlogs("tail", "1213:0", "ft-202512062026-1213:0", emulator=emulator)
    assert (told.code, told.out) == (2, b"")
    assert "ft-202512062026-1213 is named twice, with two places to begin at" in told.err
    assert (once.code, once.out) == (0, b"[ft-202512062026-1213] a\n")


async def test_a_name_that_can_be_no_job_is_refused_before_anything_is_asked(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator:
        file = await ftlogs("metrics", "train.log", emulator=emulator)
        word = await ftlogs("cat", "a b", emulator=emulator)
    assert (file.code, file.err) == (2, "ftlogs: there is no file 'train.log'.\n")
    assert (word.code, emulator.journal) == (2, [])


@pytest.mark.parametrize(
    ("words", "suffixes"),
    [
        (("--since", "7d"), ["be8c"]),
        (("--since", "1w"), ["be8c"]),
        (("--since", "2025-12-07"), ["be8c", "ce8c"]),
        (("--since", "2025-12-07T00:00:00+00:00"), ["be8c", "ce8c"]),
        (("--since", "2025-12-07T00:00:00+08:00"), ["5383", "be8c", "ce8c"]),
        (("--since", "738000d"), ["1213", "5383", "be8c", "ce8c", "ft-1"]),
        (("--match", "训练*"), ["1213"]),
        (("--match", "训练*", "--match", "*be8c"), ["1213", "be8c"]),
        (("--model", "qwen3-8b"), ["1213"]),
        (("--model", "qwen3-8b", "--model", "qwen3-14b", "--status", "failed"), ["5383"]),
        (("--sort", "created"), ["be8c", "ce8c", "5383", "1213", "ft-1"]),
        (("--sort", "tokens"), ["5383", "ft-1", "1213", "be8c", "ce8c"]),
        (("--sort", "status", "--limit", "1"), ["5383"]),
        (("--limit", "2"), ["1213", "5383"]),
        (("--limit", "0"), []),
        (("--status", "running", "--limit", "1"), ["be8c"]),
        (("--status", "running", "--status", "FAILED"), ["5383", "be8c", "ce8c"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["table", "jsonl"])
async def test_jobs_are_chosen_and_put_in_order(
    ftlogs: Any, words: tuple[str, ...], suffixes: list[str], form: str
) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("jobs", *words, "--format", form, emulator=emulator)
    assert (ended.code, ended.err) == (0, "")
    rows = ended.out.decode().splitlines()
    ids = (
        [json.loads(row)["job_id"] for row in rows]
        if form == "jsonl"
        else [row.split()[0] for row in rows[1:]]
    )
    assert [one[-4:] for one in ids] == suffixes


@pytest.mark.parametrize("command", [("jobs",), ("download", "--out", "made")])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--status", "FAILED", "--status", "RUNNIN"), "--status RUNNIN: no job has it"),
        (("--status", "RUNNIN"), "--status RUNNIN: no job has it; there are: CANCELED, "),
        (("--model", "qwen3-8b", "--model", "qwen"), "--model qwen: no job has it; there are: "),
        (("--model", "qwen"), "--model qwen: no job has it; there are: qwen3-14b, qwen3-8b."),
        (("--since", "soon"), "--since 'soon': must be a date"),
        (("--since", "monday"), "today, yesterday, or how long ago: 2w, 7d, 12h or '2 days ago'"),
        (("--since", "1 month ago"), "--since '1 month ago': must be a date"),
        (("--since", "999999999 weeks ago"), "--since '999999999 weeks ago': must be a date"),
        (("--since", "99999999d"), "--since '99999999d': must be a date"),
        (("--since", "9" * 21 + "d"), f"--since '{'9' * 21}d': must be a date"),
        (("--since", "9" * 400 + "d"), "must be a date"),
    ],
    ids=str,
)
async def test_what_no_job_can_fit_is_a_mistake_that_names_what_there_is(
    ftlogs: Any, command: tuple[str, ...], words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    command = tuple(str(tmp_path / word) if word == "made" else word for word in command)
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs(*command, *words, emulator=emulator)
    assert (ended.code, ended.out) == (2, b"")
    assert told in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.posix
async def test_days_begin_at_midnight_here_and_words_count_as_durations_do(ftlogs: Any) -> None:
    now = datetime.now(UTC)
    zone = f"FAR{now.hour - 12:+d}"  # where it is past noon
    midnight = now - timedelta(hours=12, minutes=now.minute, seconds=now.second)
    moments = [midnight + timedelta(hours=hours) for hours in (1, -1, -23, -25)]
    jobs = [
        EmulatedJob(f"ft-{number}", create_time=f"{moment:%Y-%m-%d %H:%M:%S}")
        for number, moment in enumerate(moments)
    ]
    async with Emulator(jobs) as emulator:
        found = {}
        for since in ("today", "Yesterday", "2 days ago", "1 Week ago", "30 hours ago", "1 minute ago"):
            words = ("jobs", "--since", since, "--format", "jsonl")
            ended = await ftlogs(*words, emulator=emulator, environ={"TZ": zone})
            found[since] = sorted(json.loads(row)["job_id"][-1] for row in ended.out.splitlines())
    assert {since: "".join(ids) for since, ids in found.items()} == {
        "today": "0",
        "Yesterday": "012",
        "2 days ago": "0123",
        "1 Week ago": "0123",
        "30 hours ago": "01",
        "1 minute ago": "",
    }


def evaluated(job_id: str, *losses: str, **facts: Any) -> EmulatedJob:
    lines = [f"{{'eval_loss': {loss}, 'step': {step}}}" for step, loss in enumerate(losses)]
    return EmulatedJob(job_id, lines, **facts)


BOARD = [
    evaluated("ft-a", "2.0", "1.5", "1.75"),
    EmulatedJob("ft-b", ["no number"]),
    evaluated("ft-c", "1.25", "nan"),
    evaluated("ft-d", "nan"),
    EmulatedJob("ft-e", ["{'eval_reward': 0.5, 'step': 1}", "{'eval_reward': 0.75, 'step': 2}"]),
    EmulatedJob("ft-f", [], status="PENDING"),
]


async def test_losses_of_unlike_trainings_are_kept_apart_and_told_so(ftlogs: Any) -> None:
    given = {"a": ("sft", 2), "b": ("dpo_lora", 0.1), "c": ("efficient_sft", 1), "d": ("dpo_full", 0.2)}
    jobs = [
        EmulatedJob(f"ft-{name}", [f"{{'eval_loss': {loss}, 'step': 1}}"], training_type=kind)
        for name, (kind, loss) in given.items()
    ]
    jobs.append(EmulatedJob("ft-e", [], training_type="cpt"))
    async with Emulator(jobs) as emulator:
        mixed = await ftlogs("jobs", "--metrics", emulator=emulator)
        emulator.add(EmulatedJob("ft-f", ["{'eval_loss': 3, 'step': 1}"], training_type="cpt"))
        three = await ftlogs("jobs", "--metrics", emulator=emulator)
        del emulator.jobs["ft-b"], emulator.jobs["ft-d"], emulator.jobs["ft-f"]
        alike = await ftlogs("jobs", "--metrics", emulator=emulator)
    rows = [row.split()[:4] for row in mixed.out.decode().splitlines()]
    kinds = [row[0][-1] for row in rows[1:]]
    assert rows[0] == ["JOB", "ID", "EVAL", "LOSS"]
    assert mixed.out.split()[4] == b"TYPE"
    assert kinds == list("bdcae")
    assert mixed.err == (
        "ftlogs: losses of dpo and sft are no measure of each other; of each, the best is first\n"
    )
    assert three.err.startswith("ftlogs: losses of dpo, sft and cpt are no measure of each other;")
    assert (alike.err, alike.out.split()[4]) == ("", b"STATUS"), "what has no loss is not compared"


@pytest.mark.parametrize(
    ("limit", "left"),
    [(1, "b"), (2, "ba"), (3, "bda"), (4, "bdac"), (5, "bdace"), (6, "bdxace"), (0, "")],
)
async def test_a_limit_takes_the_best_of_each_kind_in_turn(ftlogs: Any, limit: int, left: str) -> None:
    given = {"a": ("sft", 2), "b": ("dpo", 0.1), "c": ("sft", 3), "d": ("dpo", 0.2), "e": ("sft", 4)}
    jobs = [
        EmulatedJob(f"ft-{name}", [f"{{'eval_loss': {loss}, 'step': 1}}"], training_type=kind)
        for name, (kind, loss) in given.items()
    ]
    jobs += [EmulatedJob("ft-x", ["no loss"], training_type="dpo")]
    words = ("jobs", "--metrics", "--limit", str(limit), "--format", "jsonl")
    async with Emulator(jobs) as emulator:
        ended = await ftlogs(*words, emulator=emulator)
    assert "".join(json.loads(row)["job_id"][-1] for row in ended.out.splitlines()) == left


async def test_the_best_loss_of_evaluations_makes_a_leaderboard(ftlogs: Any) -> None:
    async with Emulator(BOARD) as emulator:
        board = await ftlogs("jobs", "--metrics", emulator=emulator)
        best = await ftlogs("jobs", "--metrics", "--limit", "2", "--format", "jsonl", emulator=emulator)
        listed = await ftlogs("jobs", "--metrics", "--sort", "status", emulator=emulator)
        emulator.faults = [Fault(Refuse(404))]
        gone = await ftlogs("jobs", "--metrics", emulator=emulator)
    assert [row.split()[:2] for row in board.out.decode().splitlines()] == [
        ["JOB", "ID"],
        ["ft-c", "1.25"],
        ["ft-a", "1.5"],
        ["ft-e", "0.75"],
        ["ft-b", "-"],
        ["ft-d", "-"],
        ["ft-f", "-"],
    ]
    first, _ = map(json.loads, best.out.splitlines())
    told = {"value": 1.25, "step": 0, "offset": 0, "metric": "eval_loss", "epoch": None}
    assert (first["job_id"], first["best_eval_loss"]) == ("ft-c", told)
    assert listed.out.decode().splitlines()[1].startswith("ft-f")
    assert (gone.code, {row.split()[1] for row in gone.out.splitlines()[1:]}) == (4, {b"-"})


async def test_a_log_that_can_t_be_read_leaves_its_cell_empty_and_is_told(ftlogs: Any) -> None:
    broken = [Fault(EmptyPage(), job_id="ft-a"), Fault(Refuse(404), job_id="ft-c", endpoint="logs")]
    async with Emulator(BOARD, faults=broken) as emulator:
        words = ("jobs", "--metrics", "--max-tries", "1")
        board = await ftlogs(*words, emulator=emulator)
        rows = await ftlogs(*words, "--format", "jsonl", emulator=emulator)
        emulator.faults = [*broken, Fault(Refuse(401, "InvalidApiKey"), job_id="ft-e", endpoint="logs")]
        refused = await ftlogs(*words, emulator=emulator)
    assert [row.split()[:2] for row in board.out.decode().splitlines()] == [
        ["JOB", "ID"],
        ["ft-e", "0.75"],
        *([f"ft-{name}", "-"] for name in "abcdf"),
    ]
    assert (board.code, rows.code) == (6, 6)  # as the first of them
    assert "job ft-a" in board.err
    assert "job ft-c" in board.err
    assert [json.loads(row)["best_eval_loss"] for row in rows.out.splitlines()][1:] == [None] * 5
    assert (refused.code, refused.out) == (3, b"")


def rated(job_id: str, loss: str, rate: object) -> EmulatedJob:
    return evaluated(job_id, loss, hyper_parameters={"n_epochs": 3, "learning_rate": rate})


RATED = [rated("ft-a", "1.5", "1e-5"), rated("ft-b", "1.25", 5e-5), rated("ft-c", "2.0", "1e-4")]


async def test_learning_rates_and_the_losses_that_they_led_to_are_one_look(
    ftlogs: Any, start_ftlogs: Any, terminal: Any
) -> None:
    async with Emulator(RATED) as emulator:
        async with terminal() as screen:
            words = ("jobs", "--metrics")
            process = await start_ftlogs(words, emulator, {"COLUMNS": "60"}, stdout=screen.end)
            await process.communicate()
        async with terminal() as wide:
            process = await start_ftlogs(words, emulator, {"COLUMNS": "200"}, stdout=wide.end)
            await process.communicate()
        piped = await ftlogs("jobs", "--metrics", emulator=emulator)
        chosen = await ftlogs("jobs", "--metrics", "--columns", "job,learning_rate", emulator=emulator)
    wanted = [
        ["JOB", "ID", "EVAL", "LOSS", "LEARNING_RATE"],
        ["ft-b", "1.25", "5e-05"],
        ["ft-a", "1.5", "1e-5"],
        ["ft-c", "2", "1e-4"],
    ]
    for shown in (screen.shown, chosen.out.decode()):
        rows = [row.split() for row in shown.splitlines()]
        assert [row[: len(want)] for row, want in zip(rows, wanted, strict=True)] == wanted
    assert [row.split() for row in piped.out.decode().splitlines()] == [
        row.split() for row in wide.shown.splitlines()
    ]


async def test_the_column_of_losses_is_chosen_by_its_name_where_logs_are_read(ftlogs: Any) -> None:
    words = ("jobs", "--columns", "job,learning_rate,eval_loss")
    async with Emulator(RATED) as emulator:
        chosen = await ftlogs(*words, "--metrics", emulator=emulator)
        unread = await ftlogs(*words, emulator=emulator)
    assert [row.split() for row in chosen.out.decode().splitlines()] == [
        ["JOB", "ID", "LEARNING_RATE", "EVAL", "LOSS"],
        *(["ft-b", "5e-05", "1.25"], ["ft-a", "1e-5", "1.5"], ["ft-c", "1e-4", "2"]),
    ]
    assert (unread.code, unread.out) == (2, b"")
    assert "eval_loss needs --metrics" in unread.err


@pytest.mark.parametrize("name", ["job,", "x", "job,a"])
async def test_only_hyper_parameters_that_can_be_chosen_are_offered(ftlogs: Any, name: str) -> None:
    given = {"": 1, "a,b": 2, "tokens": 3, "eval_loss": 4, "z": 5}
    async with Emulator([EmulatedJob("ft-1", hyper_parameters=given)]) as emulator:
        ended = await ftlogs("jobs", "--columns", name, emulator=emulator)
    assert (ended.code, ended.out) == (2, b"")
    assert ended.err.partition("; there are ")[2] == (
        'job, status, model, type, created, name, tokens, ended, profile, eval_loss, "a,b", z.\n'
    )


async def test_a_hyper_parameter_whose_name_holds_a_comma_is_chosen_in_quotes(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", hyper_parameters={'a,"b': 2})]) as emulator:
        ended = await ftlogs("jobs", "--columns", 'job,"a,""b"', emulator=emulator)
        wrong = await ftlogs("jobs", "--columns", "x", emulator=emulator)
    assert (ended.code, ended.out.splitlines()[1].split()) == (0, [b"ft-1", b"2"])
    assert wrong.err.endswith(', "a,""b".\n')


async def test_where_jobs_differ_in_much_none_of_it_takes_the_room_of_other_columns(
    start_ftlogs: Any, terminal: Any
) -> None:
    jobs = [
        EmulatedJob(f"ft-{n}", ["x"], hyper_parameters={f"p{name}": n for name in range(4)})
        for n in range(2)
    ]
    async with Emulator(jobs) as emulator, terminal() as screen:
        process = await start_ftlogs(("jobs", "--metrics"), emulator, stdout=screen.end)
        await process.communicate()
    assert screen.shown.split()[:5] == ["JOB", "ID", "EVAL", "LOSS", "STATUS"]


async def test_hyper_parameters_that_a_listing_lacks_are_asked_of_each_job(ftlogs: Any) -> None:
    jobs: list[dict[str, object]] = [
        {"job_id": f"ft-{name}", "status": "SUCCEEDED", "model": "m"} for name in "abcd"
    ]
    output = {"page_no": 1, "page_size": 100, "total": 4, "jobs": jobs}
    listing = json.dumps({"request_id": "r", "output": output}).encode()
    async with Emulator(RATED, faults=[Fault(Body(listing), endpoint="list")]) as emulator:
        words = ("jobs", "--columns", "learning_rate,job")
        ended = await ftlogs(*words, emulator=emulator)
        jobs[:] = [{**one, "hyper_parameters": {"learning_rate": 7}} for one in jobs]
        listing = json.dumps({"request_id": "r", "output": output}).encode()
        emulator.faults = [Fault(Body(listing), endpoint="list")]
        emulator.journal.clear()
        told = await ftlogs(*words, emulator=emulator)
    assert [row.split() for row in ended.out.decode().splitlines()] == [
        ["LEARNING_RATE", "JOB", "ID"],
        *(["1e-5", "ft-a"], ["5e-05", "ft-b"], ["1e-4", "ft-c"], ["-", "ft-d"]),
    ]
    assert ended.code == 4
    assert "ft-d" in ended.err
    assert (told.code, told.out.count(b"7")) == (0, 4)
    assert {exchange.endpoint for exchange in emulator.journal} == {"list"}


async def test_beside_losses_a_terminal_of_80_columns_shows_names(
    start_ftlogs: Any, terminal: Any
) -> None:
    jobs = [
        EmulatedJob(
            f"ft-20251206202{n}-1213",
            ["{'eval_loss': 0.5}"],
            job_name=f"sales-bot-{n}",
            hyper_parameters={"learning_rate": f"{n}e-05"},
        )
        for n in range(2)
    ]
    async with Emulator(jobs) as emulator, terminal() as screen:
        words = ("jobs", "--metrics")
        process = await start_ftlogs(words, emulator, {"COLUMNS": "80"}, stdout=screen.end)
        await process.communicate()
    head, *rows = screen.shown.splitlines()
    assert head.split() == ["JOB", "ID", "EVAL", "LOSS", "LEARNING_RATE", "STATUS", "NAME"]
    assert [row.split()[-1] for row in rows] == ["sales-bot-0", "sales-bot-1"]


async def test_reading_many_logs_is_seen_to_go_on(start_ftlogs: Any, terminal: Any) -> None:
    async with Emulator(RATED) as emulator, terminal() as screen:
        for stdout in (asyncio.subprocess.PIPE, screen.end):
            process = await start_ftlogs(
                ("jobs", "--metrics"),
                emulator,
                {"TERM": "xterm", "COLUMNS": "80"},
                stdout=stdout,
                stderr=screen.end,
            )
            await process.communicate()
            assert process.returncode == 0
    assert screen.shown.count("3/3") >= 2


async def test_a_terminal_of_80_columns_holds_each_job_on_a_line(
    start_ftlogs: Any, terminal: Any
) -> None:
    async with Emulator(JOBS) as emulator:
        async with terminal() as screen:
            environ = {"COLUMNS": "80"}
            process = await start_ftlogs(("jobs",), emulator, environ, stdout=screen.end)
            await process.communicate()
        async with terminal() as wide:
            environ = {"COLUMNS": "200"}
            process = await start_ftlogs(("jobs",), emulator, environ, stdout=wide.end)
            await process.communicate()
    narrow = screen.shown.splitlines()
    assert len(narrow) == 1 + len(JOBS)
    assert max(map(len, narrow)) <= 80
    assert narrow[0].split() == ["JOB", "ID", "STATUS", "MODEL", "TYPE", "CREATED", "NAME"]
    head, first, *_ = wide.shown.splitlines()
    assert head.split()[-3:] == ["NAME", "TOKENS", "ENDED"]
    name = head.index("NAME")
    assert first[name : name + 3] == "\u8bad\u7ec3\u4e00"
    assert first[name + 3 :].lstrip().startswith("5 ")


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (19, None),
        (78, None),
        (79, ["训练的 …", "a-long-…"]),
        (80, ["训练的名…", "a-long-n…"]),
        (100, ["训练的名称很长很长很长很长很…", "a-long-name-a-long-name-a-lo…"]),
    ],
)
async def test_a_name_is_cut_to_the_room_that_a_terminal_has_for_it(
    start_ftlogs: Any, terminal: Any, columns: int, names: list[str] | None
) -> None:
    jobs = [
        EmulatedJob("ft-202512062026-1213", job_name="训练的名称" + "很长" * 20),
        EmulatedJob("ft-202512062140-5383", job_name="a-long-name-" * 5),
    ]
    async with Emulator(jobs) as emulator, terminal() as screen:
        environ = {"COLUMNS": str(columns)}
        process = await start_ftlogs(("jobs",), emulator, environ, stdout=screen.end)
        await process.communicate()
    head, *rows = screen.shown.splitlines()
    assert max(map(cell_len, rows)) <= max(columns, 20)
    assert ("NAME" in head) == (names is not None)
    assert [row[71:].rstrip() for row in rows] == (names or ["", ""])


async def test_columns_are_chosen_and_an_unknown_one_is_refused(
    ftlogs: Any, start_ftlogs: Any, terminal: Any
) -> None:
    async with Emulator(JOBS) as emulator:
        chosen = await ftlogs("jobs", "--columns", "name,job", emulator=emulator)
        wrong = await ftlogs("jobs", "--columns", "id", emulator=emulator)
        objects = await ftlogs("jobs", "--columns", "job", "--format", "jsonl", emulator=emulator)
        async with terminal() as screen:
            words = ("jobs", "--columns", "job,created", "--match", "ft-20251207*")
            process = await start_ftlogs(words, emulator, {"COLUMNS": "30"}, stdout=screen.end)
            await process.communicate()
    assert chosen.out.decode().splitlines()[:2] == ["NAME    JOB ID", "训练一  ft-202512062026-1213"]
    assert (wrong.code, wrong.out) == (2, b"")
    assert "there is no 'id'; there are job, status, model, type, " in wrong.err
    assert ", profile, eval_loss, n_epochs, batch_size, " in wrong.err
    assert (objects.code, objects.out) == (2, b"")
    assert "--columns: only for a table" in objects.err
    # Wrapped, but for the id, which is copied.
    assert len(screen.shown.splitlines()) > 3
    assert "ft-202512070912-be8c" in screen.shown


async def test_a_profile_names_a_key_and_where_it_is_good_for(ftlogs: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    async with Emulator(JOBS[:2]) as mine, Emulator(JOBS[2:3], api_key="sk-lab-key-1234567890") as lab:
        config.write_text(
            f'[profiles.lab]\napi_key = "{lab.api_key}"\nbase_url = "{lab.base_url}"\n', "utf-8"
        )
        environ = {"DASHSCOPE_CONFIG": str(config)}
        ended = await ftlogs("jobs", "--profile", "lab", emulator=mine, environ=environ)
        none = await ftlogs("jobs", "--profile", "prod", emulator=mine, environ=environ)
        assert mine.journal == []
    assert ended.code == 0, ended.err
    assert ended.out.count(b"ft-") == 1
    assert (none.code, none.out) == (2, b"")
    assert "there is no [profiles.prod] in" in none.err
    assert "there are: lab" in none.err
    assert "sk-lab" not in ended.err + none.err
