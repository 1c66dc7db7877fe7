"""A log in a directory of this machine: written piece by piece, checked, and set aside.

May import of its own room: `directory`, `disk_failures`, `manifest`, `store`, `threads`. Begin with
`log_writer`; `directory_store` is what a download is given.
"""
