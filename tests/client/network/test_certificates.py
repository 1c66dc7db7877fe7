"""What is told of a certificate that is not accepted."""

import ssl

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.client.network.certificates import names

AUTHORITY = trustme.CA(organization_name="Example Company", organization_unit_name="Proxy Ärger 代理")


def der(certificate: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())


LEAF = der(AUTHORITY.issue_cert("a.example", common_name="a.example", organization_name="A"))


def test_it_says_whom_it_is_for_and_who_issued_it() -> None:
    subject, issuer = names(LEAF)
    assert subject.startswith("O=A, OU=Testing cert")
    assert subject.endswith("CN=a.example")
    assert issuer == "O=Example Company, OU=Proxy Ärger 代理"


@pytest.mark.parametrize(
    ("tag", "text"), [(0x0C, "Ä".encode()), (0x1E, "Ä".encode("utf-16-be")), (0x1C, b"\0\0\0\xc4")]
)
def test_each_way_to_write_a_name_is_read(tag: int, text: bytes) -> None:
    def part(tag: int, *inner: bytes) -> bytes:
        content = b"".join(inner)
        return bytes((tag, 0x81, len(content))) + content

    country = part(0x31, part(0x30, b"\x06\x03\x55\x04\x06", part(tag, text)))
    name = part(0x30, country, part(0x31, part(0x30, b"\x06\x03\x55\x04\x03", part(tag, text))))
    filler = part(0x02)
    assert names(part(0x30, part(0x30, filler, filler, name, filler, name))) == ("CN=Ä", "CN=Ä")


def test_of_one_that_is_cut_short_nothing_is_told() -> None:
    assert {names(LEAF[:end]) for end in range(len(LEAF))} == {("", "")}


@given(st.binary())
def test_any_bytes_are_a_certificate_or_tell_nothing(data: bytes) -> None:
    assert names(data) == ("", "")


@given(st.data())
def test_a_damaged_one_tells_what_it_can_or_nothing(data: st.DataObject) -> None:
    damaged = bytearray(LEAF)
    for place in data.draw(st.lists(st.integers(0, len(LEAF) - 1), min_size=1, max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    told = names(bytes(damaged[: data.draw(st.integers(0, len(LEAF)))]))
    assert all(isinstance(one, str) for one in told)
