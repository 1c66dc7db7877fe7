"""The commands that read archives: what they say of a place is the same for all."""

READERS = [
    ("show",),
    ("metrics",),
    ("plot",),
    ("report",),
    ("cat",),
    ("verify",),
    ("verify", "--remote"),
]
