"""Wrong usage of any command by any option: it is told, and a key that stands among the words is not."""

import io
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from dashscope_ftlogs.cli.app import COMMANDS, app
from dashscope_ftlogs.cli.usage_errors import parse_and_run
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

TREE: Final[Any] = get_command(app())
HERE = "{}"
"""Where a word is put in."""


def needed(command: Any, but: object = None) -> list[str]:
    """What it can't do without."""
    return ["ft-1" for one in command.params if one.required and one is not but]


def options() -> Iterator[tuple[str, ...]]:
    """Give every command with each of its options that takes a value, and with each argument."""
    for name, command in TREE.commands.items():
        for one in command.params:
            if one.param_type_name == "argument":
                yield (name, *needed(command, one), HERE)
            elif not one.is_flag:
                yield from ((name, *needed(command), spelled, HERE) for spelled in one.opts)


def flags() -> Iterator[tuple[str, ...]]:
    """Give every command with each of its flags."""
    for name, command in TREE.commands.items():
        for one in command.params:
            if one.param_type_name == "option" and one.is_flag:
                yield (name, *needed(command), one.opts[0])


def places() -> Iterator[tuple[str, ...]]:
    """Give all the ways to put a word where it does not belong, and some where one does."""
    yield (HERE,)
    yield (f"--{HERE}",)
    for words in options():
        yield words
        yield (*words[:-1], f"-{HERE}")
        if words[-2].startswith("-"):
            yield (*words[:-2], f"{words[-2]}{'=' * words[-2].startswith('--')}{HERE}")
    for words in flags():
        yield (*words, HERE, HERE)
        yield (*words[:-1], f"{words[-1]}={HERE}")
    for name in COMMANDS:
        yield (name, "ft-1", f"--{HERE}", HERE)
        yield (name, "ft-1", f"--{HERE}=1")
        yield (name, "ft-1", "--format", f"{HERE}!")


PLACES: Final = tuple(places())


def put_in(words: tuple[str, ...], word: str) -> tuple[str, ...]:
    return tuple(one.replace(HERE, word) for one in words)


def context(words: tuple[str, ...]) -> Any:
    name, command, rest = TREE.resolve_command(TREE.make_context("ftlogs", ["x"]), list(words))
    return command.make_context(name, rest)


def is_wrong(words: tuple[str, ...]) -> bool:
    """Whether the words alone are, so that nothing is done."""
    try:
        context(words)
    except Exception as error:
        return getattr(error, "exit_code", 0) == 2
    return False


def said(words: tuple[str, ...]) -> tuple[object, str]:
    """Run a command within this process, as far as its words lead."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        with pytest.raises(SystemExit) as ended:
            parse_and_run(TREE, words)
    assert out.getvalue() == ""
    return ended.value.code, err.getvalue()


KEY = "sk-4f1cda7e91b26d53"
OTHER = "an0ther/kind+of=key'\\"
"""What the environment says is one, though nothing about it does."""
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
KEYS = st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=16, max_size=40).map("sk-{}".format),
    st.text(VISIBLE, min_size=12, max_size=40).filter(lambda key: HERE not in key),
)


def test_there_is_every_option_in_it() -> None:
    assert {words[0] for words in PLACES} >= set(COMMANDS)
    assert {words[-2] for words in options()} >= {"--format", "-o", "--api-key-file", "-n", "--lag"}


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_wherever_a_key_is_typed_no_wrong_usage_repeats_it(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", OTHER)
    wrong = [words for words in (put_in(place, key) for place in PLACES) if is_wrong(words)]
    assert len(wrong) > 200
    told = [(words, *said(words)) for words in wrong]
    assert [words for words, code, text in told if code != 2 or not text] == []
    assert [words for words, _, text in told if key in text or repr(key)[1:-1] in text] == []
    assert sum("[secret]" in text for *_, text in told) > 100


@pytest.mark.covered
@given(KEYS, st.sampled_from(PLACES))
def test_nor_any_other_key(key: str, place: tuple[str, ...]) -> None:
    words = put_in(place, key)
    if is_wrong(words):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("DASHSCOPE_API_KEY", key)
            assert key not in said(words)[1]


@pytest.mark.posix
@pytest.mark.unmeasured
@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"demo"}))
async def test_nor_does_what_is_refused_or_fails_later(
    command: str, ftlogs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with Emulator([EmulatedJob("ft-1", ["{'loss': 1}"])], api_key=OTHER) as emulator:
        for place in options():
            # The emulator's own is made up; and what is made or written may have any name.
            if place[0] != command or place[-2] in {"--api-key", "--out", "--tensorboard"}:
                continue
            for key in (KEY, OTHER):
                words = put_in(place, key)
                if not is_wrong(words):
                    ended = await ftlogs(*words, emulator=emulator)
                    assert key not in ended.err
                    assert key.encode() not in ended.out


def test_a_terminal_is_not_sent_what_could_repaint_it() -> None:
    code, text = said(("jobs", "\x1b[2J\u202e"))
    assert (code, "\x1b" in text, "\u202e" in text) == (2, False, False)


def test_an_empty_word_is_refused_with_the_option_that_it_stands_for() -> None:
    for *words, option, _ in options():
        if option.startswith("-") and option not in {"--grep", "--exclude", "--highlight", "--metric"}:
            told = (2, f"ftlogs: {option} is empty: is a variable not set?\n")
            assert said((*words, option, "")) == told
            if option.startswith("--"):
                assert said((*words, f"{option}=")) == told


@pytest.mark.parametrize(
    "words", [("cat", ""), ("download", "ft-1", ""), ("verify", ""), ("emulator", "")]
)
def test_so_is_an_empty_argument(words: tuple[str, ...]) -> None:
    assert said(words) == (2, "ftlogs: an argument is empty: is a variable not set?\n")


@pytest.mark.posix
async def test_an_empty_pattern_fits_every_line(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", ["a", ""])]) as emulator:
        ended = await ftlogs("tail", "ft-1", "--grep", "", emulator=emulator)
    assert (ended.code, ended.out) == (0, b"a\n\n")


@pytest.mark.parametrize("odd", ["\ud800", "a\ud800/x.csv", "a\0b"])
def test_what_no_system_can_name_is_refused_in_words(odd: str) -> None:
    for place in options():
        code, text = said(put_in(place, odd))
        assert code == 2
        assert "can't be the name of anything" in text
        assert odd not in text


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.log"))
    path.write_text("{'loss': 1.5}\n")
    return path


@pytest.mark.linux
async def test_bytes_that_are_no_text_name_files_as_any_others(ftlogs: Any, unreadable: Path) -> None:
    out = unreadable.with_suffix(".csv")
    ended = await ftlogs("metrics", str(unreadable), "-o", str(out))
    assert ended.code == 0
    assert ended.err.endswith(".csv: 1 point of 1 log\n")
    assert b"1.5" in out.read_bytes()
    ended = await ftlogs("metrics", str(unreadable))
    assert b"1.5" in ended.out
    async with Emulator([EmulatedJob("ft-1", ["a"])]) as emulator:
        ended = await ftlogs("download", "ft-1", "--out", f"{out}.d", emulator=emulator)
        assert ended.code == 0, ended.err
    assert (await ftlogs("verify", f"{out}.d")).code == 0


WORDS: Final = {
    *("--api-key", "--api-key-file", "--base-url", "--ca-file", "--color", "--columns", "--compress"),
    *(
        "--dask",
        "--exclude",
        "--forgotten-ok",
        "--format",
        "--level",
        "--machine-by",
        "--prefix",
        "--sort",
        "--x",
    ),
    *("--fail-on", "--fault", "--from-file", "--grep", "--highlight", "--host", "--match", "--metric"),
    *("--model", "--out", "--output", "--pattern", "--profile", "--proxy", "--region", "--status"),
    *("--tensorboard", "--until", "--workspace"),
}
"""The options that hold no number; any other does."""
NO_NUMBERS: Final = (
    *("ten", " ", "1_0", "0x10", "1,5", "٣", "nan", "-nan", "inf", "-inf", "infinity", "1e400"),
    *("-1", "-1s", "-0.5", "9" * 400, "9" * 5000, f"{'9' * 400}s", "2 weeks", "s", "1m30"),
)
MAY_BE_0: Final = {
    *("--offset", "--limit", "--tail", "--settle", "--smooth", "--port", "--seed", "--latency", "--lag"),
    *("--flaky", "--time-scale"),
}


def there(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def numbers() -> Iterator[tuple[str, str]]:
    """Give every command with each of its options that holds a number, by its long name."""
    for name, command in TREE.commands.items():
        for one in command.params:
            option = max(one.opts, key=len)
            if one.param_type_name == "option" and not one.is_flag and option not in WORDS:
                yield name, option


def test_every_number_is_tried() -> None:
    assert {option for _, option in numbers()} == {
        *("--offset", "--limit", "--page-size", "--concurrency", "--timeout", "--max-tries"),
        *("--max-rate", "--tail", "--give-up-after", "--shortest-poll", "--longest-poll"),
        *("--look-every", "--settle", "--progress-every", "--smooth", "--since", "--shard", "--port"),
        *("--seed", "--latency", "--rate-limit", "--burst", "--page-cap", "--lag", "--flaky"),
        "--time-scale",
    }


def commands_with(option: str) -> list[str]:
    return [command for command, one in numbers() if one == option]


@pytest.mark.unmeasured
@pytest.mark.posix
@pytest.mark.parametrize(("command", "option"), [*numbers()])
async def test_what_is_no_number_of_its_range_is_refused_before_anything_is_done(
    command: str, option: str, ftlogs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.log").write_text("{'loss': 1}\n")
    needs = {"tail": ["x.log"], "download": ["ft-1"], "emulator": ["--rate-limit", "1"]}
    first = needs.get(command, needed(TREE.commands[command]))
    if option == "--rate-limit":
        first = []
    async with Emulator([EmulatedJob("ft-1", ["{'loss': 1}"])]) as emulator:
        assert is_wrong((command, *first, option, "0")) <= (option not in MAY_BE_0)
        values = NO_NUMBERS if option in MAY_BE_0 else ("0", *NO_NUMBERS)
        sharing = commands_with(option)
        for number, value in enumerate(values):
            words = (command, *first, option, value)
            # What the words alone tell needs no process.
            code, told = said(words) if is_wrong(words) else (None, "")
            if code is None:
                # All commands read it alike, so each has a share of the values.
                if sharing[number % len(sharing)] != command:
                    continue
                ended = await ftlogs(*words, emulator=emulator)
                code, told = ended.code, ended.err
            assert code == 2, (words, told)
            assert option in told or (option == "--tail" and "-n" in told), (words, told)
            assert len(told) < 1000
        assert emulator.journal == []
    assert there(tmp_path) == ["home", "x.log"]


def test_what_is_taken_once_is_refused_twice_and_what_several_times_is_taken() -> None:
    for name, command in TREE.commands.items():
        for one in command.params:
            if one.param_type_name == "option":
                value = [] if one.is_flag else ["1"]
                words = (name, *needed(command), one.opts[0], *value, one.opts[-1], *value)
                if one.is_flag or one.multiple:
                    context(words)
                else:
                    code, told = said(words)
                    assert (code, told.splitlines()[-1]) == (
                        2,
                        f"Error: {max(one.opts, key=len)} is given more than once",
                    )


@pytest.mark.parametrize("said", ["90", "90.0", "90s", "1m30s", "1.5m", "1m30.0s"])
def test_a_duration_is_said_in_any_way_in_which_one_can_be(said: str) -> None:
    for command, option in numbers():
        (parameter,) = [one for one in TREE.commands[command].params if option in one.opts]
        if parameter.metavar == "DURATION":
            words = (command, *needed(TREE.commands[command]), option, said)
            assert context(words).params[parameter.name] == 90.0


def test_whoever_asks_for_json_by_another_command_s_word_is_told_this_one_s() -> None:
    asked = 0
    for name, command in TREE.commands.items():
        opts = {opt: one for one in command.params for opt in one.opts}
        if "--format" in opts:
            asked += 1
            _, told = said((name, *needed(command), "--format", "json"))
            meant = "--json" if "--json" in opts else "jsonl"
            assert told.endswith(f"(Possible options: {meant})\n"), told
            for word in {"--json", *(f"--{form}" for form in opts["--format"].type.choices)} - set(opts):
                _, told = said((name, *needed(command), word))
                form = "jsonl" if word == "--json" else word.removeprefix("--")
                assert told.endswith(f"(Possible options: --format {form})\n"), told
    assert asked
    assert "Possible" not in said(("plot", "ft-1", "--json"))[1], "it has none"


@pytest.mark.parametrize(
    ("word", "meant"), [("follow", "tail -f"), ("list", "jobs"), ("dataset", "metrics -o"), ("xyz", "")]
)
def test_what_other_tools_call_a_command_leads_to_ours(word: str, meant: str) -> None:
    code, told = said((word, "ft-1"))
    assert code == 2
    assert f"No such command '{word}'." in told
    assert ("Did you mean" in told) == bool(meant)
    assert meant in told
