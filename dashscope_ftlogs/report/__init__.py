"""One HTML file about many jobs, which needs no network and lets no log run script.

Pure, but for reading what lies in this folder: `template.html`, the style, `scripts/` and `vendor/`.

May import: `metrics`, `reading`, `checks`, `errors`, `models`, `text`. Begin with `page`.
"""
