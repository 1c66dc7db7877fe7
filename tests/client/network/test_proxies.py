"""Which proxy a setting means, and which hosts need none."""

import base64
import ipaddress
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import ConfigError, InvalidArgumentError
from dashscope_ftlogs.client.network.proxies import Proxy, needs_none, proxy_for

URL = "https://dashscope.example/api/v1"
PROXY = "http://proxy.example:3128"


def named(environ: dict[str, str], url: str = URL) -> str | None:
    proxy = proxy_for(url, None, environ)
    return None if proxy is None else proxy.url


def test_the_proxy_is_that_of_the_first_variable_that_curl_would_read() -> None:
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    environ = {name: f"http://{name.replace('_', '-').lower()}-{n}:1" for n, name in enumerate(names)}
    for n, name in enumerate(names):
        proxy = proxy_for(URL, None, environ)
        assert proxy is not None
        assert (proxy.variable, proxy.url.endswith(f"-{n}:1")) == (name, True)
        environ[name] = ""  # as good as none
    assert named(environ) is None
    assert named({"http_proxy": PROXY, "HTTP_PROXY": PROXY}) is None, "those are for plain http"


def test_what_is_said_goes_before_the_environment() -> None:
    environ = {"HTTPS_PROXY": "http://other.example:1", "NO_PROXY": "*"}
    assert str(proxy_for(URL, PROXY, environ)) == PROXY
    for none in ("none", "None"):
        assert proxy_for(URL, none, {"HTTPS_PROXY": PROXY}) is None
    assert str(proxy_for(URL, None, {"HTTPS_PROXY": PROXY})) == f"{PROXY} (HTTPS_PROXY)"


def test_over_plain_http_none_is_used_and_one_that_is_said_is_refused() -> None:
    url = "http://127.0.0.1:8000/api/v1"
    assert named({"http_proxy": PROXY, "https_proxy": PROXY, "all_proxy": PROXY}, url) is None
    assert proxy_for(url, "none", {}) is None
    with pytest.raises(InvalidArgumentError, match="must be none over plain http"):
        proxy_for(url, PROXY, {})


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("proxy.example:3128", PROXY),
        (" http://PROXY.example:3128/ ", PROXY),
        ("HTTP://proxy.example:3128", PROXY),
        ("proxy.example", "http://proxy.example:80"),
        ("https://proxy.example", "https://proxy.example:443"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://proxy_1.example:3128", "http://proxy_1.example:3128"),
    ],
)
def test_a_proxy_is_named_as_curl_takes_it(said: str, url: str) -> None:
    assert proxy_for(URL, said, {}) == Proxy(url)


@pytest.mark.parametrize(
    "said",
    [
        *("", "http://", "http://:3128", "http://proxy.example:0", "http://proxy.example:99999"),
        *(
            "http://proxy.example:port",
            "http://pr oxy:1",
            "http://pro\nxy:1",
            "http://[::1:1",
            "ftp://p:1",
        ),
        *(
            "http://p:1/path",
            "http://p:1?q",
            "http://p:1#f",
            "http://prö:1",
            "http://a..b:1",
            f"http://{'a' * 64}:1",
            "http://me:pass#word@p:1",
        ),
        *("socks5://p:1", "SOCKS5H://me:password@p:1", "socks://p:1", "socks4a://p"),
    ],
)
def test_what_is_no_proxy_is_refused_without_repeating_it(said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^proxy='\[secret\]': must be ") as argument:
        proxy_for(URL, said, {})
    assert argument.value.argument == "proxy"
    told = [argument.value]
    if said:
        with pytest.raises(ConfigError, match=r"^HTTPS_PROXY: must be ") as variable:
            proxy_for(URL, None, {"HTTPS_PROXY": said})
        told.append(variable.value)  # type: ignore[arg-type]
    for error in told:
        assert "password" not in str(error)
        assert "pass#" not in str(error)
        assert ("SOCKS" in str(error)) == said.lower().startswith("socks")


@given(st.text(), st.text())
def test_any_text_is_a_proxy_or_refused(said: str, exceptions: str) -> None:
    for argument, environ in ((said, {}), (None, {"ALL_PROXY": said, "NO_PROXY": exceptions})):
        try:
            proxy_for(URL, argument, environ)
        except (ConfigError, InvalidArgumentError) as error:
            assert "\n" not in str(error)


NAMES: Any = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]))


@given(NAMES, st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_and_password_arrive_and_are_shown_nowhere(name: str, password: str) -> None:
    from urllib.parse import quote

    proxy = proxy_for(URL, f"http://{quote(name, safe='')}:{quote(password, safe='')}@p.example:1", {})
    assert proxy is not None
    assert (proxy.url, str(proxy)) == ("http://p.example:1", "http://p.example:1")
    assert proxy.authorization is not None
    kind, _, words = proxy.authorization.partition(" ")
    assert (kind, base64.b64decode(words).decode()) == ("Basic", f"{name}:{password}")
    assert "authorization='[secret]'" in repr(proxy)
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(proxy)


@pytest.mark.parametrize(
    ("exceptions", "fits", "does_not"),
    [
        ("*", ["a.example", "10.0.0.1", "::1"], []),
        ("localhost,*", ["a.example"], []),
        (
            "a.example",
            ["a.example", "A.EXAMPLE", "a.example.", "b.a.example"],
            ["ba.example", "example"],
        ),
        (".a.example", ["a.example", "b.a.example"], ["ba.example"]),
        ("A.Example.", ["a.example"], []),
        ("x, a.example b.example,,", ["a.example", "b.example", "x"], ["c.example"]),
        ("a.example:443", ["a.example"], []),
        ("a.example:0443, [::1]:443", ["::1"], ["a.example"]),
        ("a.example:8443", [], ["a.example"]),
        ("10.0.0.0/8", ["10.1.2.3"], ["11.0.0.1", "10.example", "::1"]),
        ("10.0.0.5/8", ["10.1.2.3"], []),
        ("10.0.0.1", ["10.0.0.1"], ["10.0.0.2", "110.0.0.1"]),
        ("10.0.0.1:443", ["10.0.0.1"], []),
        ("[::1], fd00::/8", ["::1", "fd00::7"], ["::2", "10.0.0.1"]),
        ("0:0:0:0:0:0:0:1", ["::1"], []),
        (". , / ! # ) 10.0.0.0/99", [], ["a.example", "10.0.0.1"]),
        ("", [], ["a.example"]),
    ],
)
def test_hosts_that_need_none_are_listed_as_for_curl(
    exceptions: str, fits: list[str], does_not: list[str]
) -> None:
    for host in fits:
        assert needs_none(host, 443, exceptions), host
    for host in does_not:
        assert not needs_none(host, 443, exceptions), host


def test_the_list_counts_for_the_host_and_port_that_are_asked() -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example:8443 , [fd00::1]"}
    assert named(environ, "https://a.example:8443/api/v1") is None
    assert named(environ, "https://a.example/api/v1") == PROXY
    assert named({"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example:443"}, "https://a.example/api/v1") is None
    assert named(environ, "https://[fd00::1]:9/api/v1") is None
    assert named(environ | {"no_proxy": "b.example"}, "https://a.example:8443/api/v1") == PROXY


@given(st.ip_addresses(), st.integers(0, 32))
def test_any_network_that_holds_an_address_fits_it(address: Any, bits: int) -> None:
    network = ipaddress.ip_network((address, bits), strict=False)
    assert needs_none(str(address), 443, f"a.example,{network}")
