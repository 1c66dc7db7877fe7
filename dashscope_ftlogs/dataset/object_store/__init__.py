"""Datasets on object storage: few large parts for each month, and commits that name those that count.

May import of `dataset`: `parquet_file`, `partitions`; of `archive`: `manifest`, `threads` and its
`object_store`. What computes stands in `dataset_commits` and `parts`. Begin with `dataset_commits`.
"""
