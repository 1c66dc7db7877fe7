"""The ways in which an application's code may wait for a task of its own."""

import asyncio


async def directly(task: "asyncio.Task[None]") -> None:
    await task


async def waited_for(task: "asyncio.Task[None]") -> None:
    await asyncio.wait([task])


async def gathered(task: "asyncio.Task[None]") -> None:
    await asyncio.gather(task, asyncio.sleep(60))


async def for_a_time(task: "asyncio.Task[None]") -> None:
    await asyncio.wait_for(task, 60)


async def in_a_group(task: "asyncio.Task[None]") -> None:
    async def wait() -> None:
        await task

    async with asyncio.TaskGroup() as group:
        group.create_task(wait())


async def shielded(task: "asyncio.Task[None]") -> None:
    await asyncio.shield(task)
