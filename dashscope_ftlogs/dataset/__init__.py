"""The metrics of whole archives: logs that any engine reads one by one, and Parquet files beside them.

May import: `archive`, `metrics`, `reading`, `checks`, `errors`, `models`, `text`. Begin with
`partitions`.
"""
