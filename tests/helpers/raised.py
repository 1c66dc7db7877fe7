"""Exceptions that were really raised, as Python prints them."""

import _queue
import traceback
from collections.abc import Callable

from hypothesis import strategies as st


class Boom(Exception):  # noqa: N818  (that is the point)
    """Ends in none of the words that most exceptions end in."""


def _local() -> type[Exception]:
    class Odd(Exception):  # noqa: N818
        pass

    return Odd


def _raise(error: BaseException, cause: BaseException | None, *, how: str) -> BaseException:
    try:
        if cause is None:
            raise error
        try:
            raise cause
        except BaseException as before:
            if how == "from":
                raise error from before
            if how == "from none":
                raise error from None
            raise error  # noqa: B904  (as code does that forgets to say)
    except BaseException as caught:
        return caught


def _syntax_error(text: str) -> BaseException:
    try:
        compile(f"x = (\n{text} = = 1\n", "config.py", "exec")
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        return error
    return Boom(text)


KINDS: tuple[Callable[[str], BaseException], ...] = (
    *(ValueError, KeyError, StopIteration, SystemExit, KeyboardInterrupt, _queue.Empty, Boom),
    *(_local(), _syntax_error, lambda _: RuntimeError(), lambda _: StopIteration()),
    lambda text: UnicodeDecodeError("utf-8", text.encode("utf-8", "replace") or b"x", 0, 1, "bad"),
)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
MESSAGES = WORDS | st.lists(WORDS, max_size=4).map("\n".join)


@st.composite
def errors(draw: st.DrawFn, depth: int = 2) -> tuple[BaseException, bool]:
    """An exception, and whether the message and notes of each are on one line."""
    message = draw(MESSAGES)
    plain = "\n" not in message
    cause = None
    if depth and draw(st.booleans()):
        cause, plain_too = draw(errors(depth - 1))
        plain &= plain_too
    if depth and draw(st.integers(0, 3)) == 0:
        several = draw(st.lists(errors(depth - 1), min_size=1, max_size=3))
        error: BaseException = BaseExceptionGroup(message, [one for one, _ in several])
    else:
        error = draw(st.sampled_from(KINDS))(message)
        if isinstance(error, KeyError):  # shows the repr
            plain = True if cause is None else plain
    if draw(st.integers(0, 3)) == 0:
        error.add_note(draw(MESSAGES))
        plain = False
    return _raise(error, cause, how=draw(st.sampled_from(["from", "from none", "while"]))), plain


def formatted() -> st.SearchStrategy[tuple[list[str], bool]]:
    """The lines of one that was raised, and whether all of them can be told from others."""
    return errors().map(lambda one: ("".join(traceback.format_exception(one[0])).splitlines(), one[1]))
