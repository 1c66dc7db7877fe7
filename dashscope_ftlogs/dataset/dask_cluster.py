"""A dataset that is made by the workers of a Dask cluster: they read logs, and write files.

Archive and dataset have to be at the same paths or URLs on all of its machines, as on a file system that
they share, and this package has to be installed there, in the same version.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final, TypeVar

from dashscope_ftlogs.archive.store import KeptLog
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.dataset.partitions import Partition
from dashscope_ftlogs.errors import ConfigError, FTLogsError

_PATIENCE: Final = 10.0
"""Seconds in which the scheduler has to answer."""

T = TypeVar("T")


async def made_by_cluster(
    address: str, make: Callable[[str, KeptLog], T], logs: Sequence[Partition]
) -> AsyncGenerator[tuple[Partition, T | FTLogsError], None]:
    """Let the cluster with that scheduler make something of each log; yield it, or why not, as it comes.

    What is left is cancelled there when the generator is closed.

    Raises:
        ConfigError: Dask is not installed, no scheduler answers there, or a worker can't do it.
        OSError: a worker can't write the dataset.
    """
    (distributed,) = extra("dask", "distributed")
    client = distributed.Client(address, asynchronous=True, timeout=_PATIENCE)
    try:
        try:
            await client
        except (OSError, ValueError) as error:
            raise ConfigError(f"--dask {address!r}: no scheduler answers there: {error}") from None
        by_key = {f"ftlogs-{number}": one for number, one in enumerate(logs)}
        # Not `map`, which would take equal logs for one.
        futures = [client.submit(_made, make, one, key=key, pure=False) for key, one in by_key.items()]
        async for future in distributed.as_completed(futures):
            one = by_key[future.key]
            yield one, await _result(future, one)
            future.release()
    finally:
        await client.close()


async def _result(future: Any, one: Partition) -> Any:
    try:
        return await future
    except (FTLogsError, OSError):
        raise
    except Exception as error:
        raise ConfigError(
            f"--dask: a worker failed at {one.job_id}: {type(error).__name__}: {error}. Is this version "
            "of dashscope-ftlogs installed there, with the extra `data`?"
        ) from None


def _made(make: Callable[[str, KeptLog], T], partition: Partition) -> T | FTLogsError:
    try:
        return make(partition.job_id, partition.log)
    except ConfigError:
        raise  # no other log would fare better
    except FTLogsError as error:
        return error
