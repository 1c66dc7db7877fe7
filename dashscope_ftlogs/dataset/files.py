"""The files of which a dataset consists, for whoever reads it."""

import os
from pathlib import Path

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive.object_store.url import is_store_url
from dashscope_ftlogs.dataset.parquet_dataset import FILE, no_dataset


def dataset_files(dataset: str | os.PathLike[str]) -> list[str]:
    """Return the Parquet files of which a dataset consists now: each row is in one, once. It blocks.

    On object storage, that is how it is read: beside the objects that count there are others, such as
    those that were replaced within the last day, for those who began to read before.

    Args:
        dataset: What `ftlogs metrics -o` named: a directory, or a URL.

    Raises:
        ArchiveError: there is no dataset, or object storage fails.
    """
    if isinstance(dataset, str) and is_store_url(dataset):
        from dashscope_ftlogs.dataset.object_store.remote_dataset import parts_of  # noqa: PLC0415

        return parts_of(dataset)
    folder = Path(checks.path("dataset", dataset))
    found = sorted(map(str, folder.glob("month=*/job=*/metrics*.parquet")))
    if not found:
        raise no_dataset(folder, f"{FILE} of any job")
    return found
