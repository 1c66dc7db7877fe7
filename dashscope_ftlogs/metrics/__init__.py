"""What lines say together: points with their steps, tables, curves, comparison, conditions.

Pure: no I/O, no clock, nothing that waits.

May import: `reading`, `checks`, `errors`, `models`, `text`. Begin with `points`.
"""
