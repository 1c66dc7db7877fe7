"""The forms in which trainers write numbers: dicts, key-number lines, bars, tables, boxes.

The rule that decides what is a point, in all of them: it has a loss or a reward that is a number, under
a name that means one (`names`), and it stands in one of these forms. What looks like code, a
configuration or a row of a dataset is none: few points that are wrong are better than many that are
right. Where a line says no step and nothing near it does, its point has none.

Pure, like `reading`, of which it imports `metrics_in_line` only. Begin with `names`.
"""
