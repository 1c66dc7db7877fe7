"""The commands, one file each: what it takes, and what it does with it.

None imports another, and none the `app` that has them; all else of `cli` is theirs. Begin with `cat`.
"""
