"""What a line says: metrics, progress, messages, tracebacks; and why a job failed.

Pure: functions of text, which never raise and take time linear in its length.

May import: `checks`, `errors`, `models`, `text`. Begin with `records`.
"""
