"""What logs tell of jobs: one HTML file about many, that runs nothing out of a log; one at a glance.

Pure, but for reading what lies in this folder: `templates/`, the style, `scripts/` and `vendor/`.

May import: `metrics`, `reading`, `checks`, `errors`, `models`, `text`. Begin with `page`.
"""
