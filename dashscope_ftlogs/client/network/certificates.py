"""What a certificate says of itself."""

from collections.abc import Iterator
from typing import Final

_VERSION: Final = 0xA0
_NAMES: Final = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}
"""What of a name tells people whose it is: X.509's common name, organization and its unit."""
_WIDE: Final = {0x1C: "utf-32-be", 0x1E: "utf-16-be"}


def names(certificate: bytes) -> tuple[str, str]:
    """Return whom a certificate is for and who issued it; nothing of what is no certificate.

    The standard library tells that only of certificates that it accepts.
    """
    try:
        (_, whole), *_ = _parts(certificate)
        (_, body), *_ = _parts(whole)
        fields = [one for one in _parts(body) if one[0] != _VERSION]
        _, _, (_, issuer), _, (_, subject), *_ = fields
        return _name(subject), _name(issuer)
    except ValueError:
        return "", ""


def _name(encoded: bytes) -> str:
    told: list[str] = []
    for _, part in _parts(encoded):
        for _, pair in _parts(part):
            (_, kind), (tag, text), *_ = _parts(pair)
            if kind in _NAMES:
                told.append(f"{_NAMES[kind]}={text.decode(_WIDE.get(tag, 'utf-8'), 'replace')}")
    return ", ".join(told)


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tags and contents that stand in a row in DER; ValueError where they don't."""
    while data:
        (tag, size), data = data[:2], data[2:]
        if size & 0x80:
            octets = size & 0x7F
            size, data = int.from_bytes(data[:octets]), data[octets:]
        content, data = data[:size], data[size:]
        if len(content) < size:
            raise ValueError("cut short")
        yield tag, content
