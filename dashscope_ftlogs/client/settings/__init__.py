"""The files in which users keep settings, keys and certificates.

What they mean is pure: `config_file`. What is there instead of one is told by `small_file`, which never
waits, and repeats nothing of what it has read: there may be a key in it.

May import: `checks`, `errors`, `text`. Begin with `config_file`.
"""
