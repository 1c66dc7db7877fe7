"""Asks the vendor's SDK what each line of stdin says, and prints what it gave; all as JSON.

A process of its own, since the SDK's first generation takes its address from the environment, once, when
it is imported. Nothing of ours is imported here.
"""

import asyncio
import json
import sys
from typing import Any

import dashscope


def first(call: str, words: dict[str, Any]) -> Any:
    """Ask the first generation, which tells failures in what it returns."""
    answer = getattr(dashscope.FineTunes, call)(**words)
    if answer.status_code != 200:
        return {name: answer[name] for name in ("status_code", "code", "message", "request_id")}
    return {"output": answer.output, "request_id": answer.request_id}


def second(call: str, words: dict[str, Any]) -> Any:
    """Ask the second, whose answers are objects, and whose failures are exceptions."""
    with dashscope.Client() as client:
        try:
            return getattr(client.fine_tunes, call)(**words).model_dump(mode="json")
        except dashscope.v2.errors.APIStatusError as error:
            return told(error)


async def third(call: str, words: dict[str, Any]) -> Any:
    """Ask the same by asyncio."""
    async with dashscope.AsyncClient() as client:
        try:
            return (await getattr(client.fine_tunes, call)(**words)).model_dump(mode="json")
        except dashscope.v2.errors.APIStatusError as error:
            return told(error)


def told(error: Any) -> dict[str, Any]:
    """Return what an exception says."""
    return {
        "kind": type(error).__name__,
        **{name: getattr(error, name) for name in ("status_code", "code", "message", "request_id")},
    }


def plain(value: Any) -> Any:
    """Return what JSON can't write as what it can."""
    return value if isinstance(value, dict) else vars(value)


ASK = {"first": first, "second": second, "async": lambda *what: asyncio.run(third(*what))}

for line in sys.stdin:
    generation, call, words = json.loads(line)
    print(json.dumps(ASK[generation](call, words), default=plain), flush=True)
