"""Logs on disk: resumable, provably complete, and read again from there.

May import: `client`, `checks`, `errors`, `models`, `text`. Begin with `download`; what vouches for a
file is its `manifest`, and `completeness` says when all of a log is there.
"""
