"""Logs on disk or on object storage: resumable, provably complete, and read again from there.

May import: `client`, `checks`, `errors`, `models`, `text`. Begin with `download`; what vouches for a
file is its `manifest`, and `when_a_log_is_complete` says when all of a log is there.
"""
