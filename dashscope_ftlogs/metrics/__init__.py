"""What lines say together: points with their steps, tables, curves, comparison, conditions.

Pure: no I/O, no clock, nothing that waits.

May import: `reading`, `checks`, `errors`, `models`, `text`. Begin with `points`. What else users look
for here, `partitions` of an archive, to `read` them, and `dataset_files`, stands in the room `dataset`,
above.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashscope_ftlogs.dataset.files import dataset_files
    from dashscope_ftlogs.dataset.partitions import Partition, partitions, read

__all__ = ["Partition", "dataset_files", "partitions", "read"]


def __getattr__(name: str) -> Any:
    """Import what stands elsewhere when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    module = "files" if name == "dataset_files" else "partitions"
    return getattr(import_module(f"dashscope_ftlogs.dataset.{module}"), name)
