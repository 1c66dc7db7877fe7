"""Where settings come from, and which are refused."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import REGIONS, ConfigError
from dashscope_ftlogs.client.config import Settings, checked_url, kept_keys, resolve
from dashscope_ftlogs.client.redaction import Secret

CONFIG = "~/.dashscope/config.toml"
KEY_FILE = "~/.dashscope/api_key"
KEY = "sk-4f1cda7e91b26d53"


def settle(
    environ: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None, **options: Any
) -> Settings:
    return resolve(environ=environ or {}, read_text=(files or {}).get, **options)


def test_the_key_comes_from_the_first_place_that_has_one() -> None:
    places: list[tuple[str, dict[str, Any]]] = [
        ("sk-argument", {"api_key": "sk-argument"}),
        ("sk-variable", {"environ": {"DASHSCOPE_API_KEY": "sk-variable"}}),
        ("sk-named", {"environ": {"DASHSCOPE_API_KEY_FILE_PATH": "/k"}, "files": {"/k": "sk-named\n"}}),
        ("sk-toml", {"files": {CONFIG: 'api_key = "sk-toml"'}}),
        ("sk-bare", {"files": {KEY_FILE: "  sk-bare\r\n"}}),
    ]
    for n, (first, _) in enumerate(places):
        merged: dict[str, Any] = {"environ": {}, "files": {}}
        for _, place in places[n:]:
            merged["environ"] |= place.get("environ", {})
            merged["files"] |= place.get("files", {})
            if "api_key" in place:
                merged["api_key"] = place["api_key"]
        assert settle(**merged).api_key == first


def test_the_endpoint_comes_from_the_first_place_that_has_one() -> None:
    environ = {
        "DASHSCOPE_BASE_URL": "https://b.example/api/v1",
        "DASHSCOPE_HTTP_BASE_URL": "https://h.example/api/v1",
        "DASHSCOPE_REGION": "cn-hongkong",
        "DASHSCOPE_API_REGION": "cn-beijing",
    }
    toml = 'base_url = "https://t.example/api/v1"\nregion = "cn-beijing"'
    options: dict[str, Any] = {"base_url": "https://a.example/api/v1/", "region": "cn-hongkong"}
    steps: list[tuple[str, Any]] = [
        ("https://a.example/api/v1", lambda: options.pop("base_url")),
        (REGIONS["cn-hongkong"], lambda: options.pop("region")),
        ("https://b.example/api/v1", lambda: environ.pop("DASHSCOPE_BASE_URL")),
        ("https://h.example/api/v1", lambda: environ.pop("DASHSCOPE_HTTP_BASE_URL")),
        (REGIONS["cn-hongkong"], lambda: environ.pop("DASHSCOPE_REGION")),
        (REGIONS["cn-beijing"], lambda: environ.pop("DASHSCOPE_API_REGION")),
    ]
    for url, drop in steps:
        assert settle(environ, {CONFIG: toml}, api_key=KEY, **options).base_url == url
        drop()
    assert settle({}, {CONFIG: toml}, api_key=KEY).base_url == "https://t.example/api/v1"
    assert settle({}, {CONFIG: 'region = "cn-beijing"'}, api_key=KEY).base_url == REGIONS["cn-beijing"]
    assert settle(api_key=KEY).base_url == REGIONS["ap-southeast-1"]


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("ap-southeast-1", "https://dashscope-intl.aliyuncs.com/api/v1"),
        ("cn-beijing", "https://dashscope.aliyuncs.com/api/v1"),
        ("cn-hongkong", "https://cn-hongkong.dashscope.aliyuncs.com/api/v1"),
        ("us-east-1", "https://dashscope-intl.aliyuncs.com/api/v1"),
        ("eu-central-1", "https://dashscope-intl.aliyuncs.com/api/v1"),
        ("ap-northeast-1", "https://dashscope-intl.aliyuncs.com/api/v1"),
    ],
)
def test_each_region_has_its_gateway(region: str, url: str) -> None:
    assert settle(api_key=KEY, region=region).base_url == url


def test_the_workspace_comes_from_the_first_place_that_has_one() -> None:
    environ = {"DASHSCOPE_WORKSPACE": "llm-new", "DASHSCOPE_WORKSPACE_ID": "llm-old"}
    files = {CONFIG: 'workspace = "llm-toml"'}
    assert settle(environ, files, api_key=KEY, workspace="llm-arg").workspace == "llm-arg"
    assert settle(environ, files, api_key=KEY).workspace == "llm-new"
    del environ["DASHSCOPE_WORKSPACE"]
    assert settle(environ, files, api_key=KEY).workspace == "llm-old"
    assert settle({}, files, api_key=KEY).workspace == "llm-toml"
    assert settle(api_key=KEY).workspace is None


def test_patience_comes_from_the_file_wherever_that_is() -> None:
    settings = settle({"DASHSCOPE_CONFIG": "/c"}, {"/c": "timeout = 9.5\nmax_retries = 0"}, api_key=KEY)
    assert (settings.timeout, settings.max_retries) == (9.5, 0)
    assert (settle(api_key=KEY).timeout, settle(api_key=KEY).max_retries) == (None, None)


PROFILES = """
api_key = "sk-top"
workspace = "llm-top"
timeout = 9.5
[profiles.prod]
api_key = "sk-prod"
region = "cn-beijing"
max_retries = 2
[profiles.team_b]
workspace = "llm-b"
base_url = "https://b.example/api/v1"
timeout = 3
[profiles]
"a/b" = { api_key = "sk-no-name" }
number = 3
"""


def test_what_a_profile_says_goes_before_the_environment_and_after_arguments() -> None:
    environ = {
        "DASHSCOPE_API_KEY": "sk-variable",
        "DASHSCOPE_WORKSPACE": "llm-variable",
        "DASHSCOPE_BASE_URL": "https://v.example/api/v1",
    }
    files = {CONFIG: PROFILES}
    assert settle(environ, files, profile="prod") == Settings(
        Secret("sk-prod"), REGIONS["cn-beijing"], None, 9.5, 2
    ), "a key of its own goes with no other workspace"
    assert settle(environ, files, profile="team_b") == Settings(
        Secret("sk-variable"), "https://b.example/api/v1", "llm-b", 3
    )
    given: dict[str, Any] = {"api_key": KEY, "workspace": "llm-arg", "region": "cn-hongkong"}
    assert settle(environ, files, profile="prod", **given) == Settings(
        Secret(KEY), REGIONS["cn-hongkong"], "llm-arg", 9.5, 2
    )
    assert settle({}, files) == Settings(Secret("sk-top"), REGIONS["ap-southeast-1"], "llm-top", 9.5), (
        "nothing of a profile that was not asked for"
    )


@pytest.mark.parametrize("environ", [{}, {"DASHSCOPE_CONFIG": "no.toml"}])
def test_a_profile_of_a_file_that_is_not_there_is_told_by_that(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        settle(environ, {}, api_key=KEY, profile="prod")
    path = environ.get("DASHSCOPE_CONFIG", CONFIG)
    assert f"profile 'prod': there is no file {path} to hold its [profiles.prod]" in str(caught.value)


@pytest.mark.parametrize("name", ["", "a/b", "..", "number", "Prod", "a.b", "x" * 65])
@pytest.mark.parametrize("toml", [PROFILES, "", "profiles = 3", "[profiles]"])
def test_a_profile_that_is_none_is_refused_with_those_there_are(name: str, toml: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settle({}, {CONFIG: toml}, api_key=KEY, profile=name)
    there = "prod, team_b" if toml == PROFILES else "none"
    assert str(caught.value).endswith(f"in {CONFIG}; there are: {there}.")
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("api_key = 3", f"api_key in [profiles.p] in {CONFIG}: must be a string"),
        ("region = 'mars'", f"region in [profiles.p] in {CONFIG} 'mars': must be one of"),
        ("base_url = 'ftp://x'", f"must be https://HOST/api/v1; it is from [profiles.p] in {CONFIG}."),
        ("workspace = 'a b'", f"a letter or digit; it is from [profiles.p] in {CONFIG}."),
        ("timeout = 0", f"timeout=0 in [profiles.p] in {CONFIG}"),
        ("api_key = 'sk-a b'", f"the API key from [profiles.p] in {CONFIG} is empty or holds"),
    ],
)
def test_an_unusable_setting_of_a_profile_is_named_with_it(toml: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settle({"DASHSCOPE_API_KEY": KEY}, {CONFIG: f"[profiles.p]\n{toml}"}, profile="p")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (f"api_kye = '{KEY}'", f"{CONFIG}: there is no setting 'api_kye'; is api_key meant?"),
        ("API-KEY = 'x'", "there is no setting 'API-KEY'; is api_key meant?"),
        ("regoin = 'cn-beijing'", "there is no setting 'regoin'; is region meant?"),
        ("base_ulr = 'https://h.example'", "is base_url meant?"),
        ("workspace_id = 'llm-1'", "is workspace meant?"),
        ("timout = 3", "is timeout meant?"),
        ("max_retry = 3", "is max_retries meant?"),
        (f"[profile.x]\napi_key = '{KEY}'", "there is no setting 'profile'; [profiles.NAME] is meant?"),
        ("profile = 'prod'", "there is no setting 'profile'; [profiles.NAME] is meant?"),
    ],
)
def test_a_slip_in_a_setting_is_told_before_another_one_is_used(toml: str, told: str) -> None:
    for options in ({}, {"profile": "p"}, {"api_key": KEY}):
        files = {CONFIG: f"{toml}\n[profiles.p]\napi_key = '{KEY}'\n", KEY_FILE: "sk-of-another"}
        with pytest.raises(ConfigError) as caught:
            settle({"DASHSCOPE_API_KEY": "sk-of-another"}, files, **options)
        assert told in str(caught.value)
        assert str(caught.value).endswith("meant?"), "one mark is enough"
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["a/b", "../x", "a b", "", "-x", "_x", "x" * 65])
def test_what_can_be_no_profile_s_name_is_told_as_that(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settle({}, {CONFIG: "[profiles.p]\n[profiles.q]"}, profile=name)
    told = f"profile {name!r}: must be a name of letters, digits, - and _"
    assert f"{told} that begins with a letter or digit, as " in str(caught.value)
    assert str(caught.value).endswith(f"[profiles.NAME] in {CONFIG}; there are: p, q.")


def test_what_only_other_tools_know_is_theirs() -> None:
    theirs = "protocol = 'openai'\nwebsocket_base_url = 'wss://x'\nhttp_max_connections = 3\n"
    theirs += "http_max_keepalive_connections = 3\nhttp_keepalive_expiry = 5\nlog_level = 'info'\n"
    theirs += "[output]\nformat = 'json'\n"
    assert settle({}, {CONFIG: theirs}, api_key=KEY).api_key == KEY


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (f"api_kye = '{KEY}'", "there is no setting 'api_kye'; is api_key meant?"),
        (f"key = '{KEY}'", "there is no setting 'key'; is api_key meant?"),
        ("regoin = 'cn-beijing'", "is region meant?"),
        ("protocol = 'openai'", "'protocol'; there are: api_key, base_url, region, workspace, timeout,"),
        (f"{KEY} = 1", "there is no setting '[secret]'; there are: api_key"),
        ("[profiles.p.more]", "there is no setting 'more'; there are: "),
        ("api_key = ''", f"api_key in [profiles.p] in {CONFIG} is empty: set it, or leave it out"),
        ("region = ''", "region in [profiles.p]"),
        ("base_url = ''", "base_url in [profiles.p]"),
        ("workspace = ''", "workspace in [profiles.p]"),
    ],
)
def test_in_a_profile_all_is_ours_so_that_no_other_account_is_taken_for_it(toml: str, told: str) -> None:
    files = {CONFIG: f"api_key = 'sk-of-another'\n[profiles.p]\n{toml}", KEY_FILE: "sk-of-another"}
    with pytest.raises(ConfigError) as caught:
        settle({"DASHSCOPE_API_KEY": "sk-of-another"}, files, profile="p")
    assert told in str(caught.value)
    assert f"[profiles.p] in {CONFIG}" in str(caught.value)
    assert KEY not in str(caught.value)
    assert settle({}, files, profile=None).api_key == "sk-of-another", "of others, nothing is asked"


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers(), max_size=4))
def test_no_setting_of_a_profile_is_ignored(table: dict[str, str | int]) -> None:
    lines = "\n".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in table.items())
    try:
        settle({"DASHSCOPE_API_KEY": KEY}, {CONFIG: f"[profiles.p]\n{lines}"}, profile="p")
    except ConfigError:
        return
    assert table.keys() <= {"api_key", "base_url", "region", "workspace", "timeout", "max_retries"}


@pytest.mark.parametrize(
    ("environ", "files", "place"),
    [
        ({"DASHSCOPE_API_KEY": KEY}, {}, "DASHSCOPE_API_KEY"),
        ({"DASHSCOPE_API_KEY_FILE_PATH": "/k"}, {"/k": KEY}, "/k"),
        ({}, {KEY_FILE: KEY}, KEY_FILE),
    ],
)
def test_whose_key_a_profile_without_one_takes_is_told(
    environ: dict[str, str], files: dict[str, str], place: str
) -> None:
    files[CONFIG] = "[profiles.p]\nworkspace = 'llm-1'"
    settings = settle(environ, files, profile="p")
    assert settings.places["api_key"] == f"{place}, since [profiles.p] in {CONFIG} has none"
    assert settle({}, files, profile="p", api_key=KEY).places["api_key"] == "api_key"


@pytest.mark.parametrize("name", ["DASHSCOPE_CONFIG", "DASHSCOPE_API_KEY_FILE_PATH"])
def test_a_key_in_place_of_a_path_is_not_shown(name: str) -> None:
    for files in ({}, {KEY: "sk a"}, {KEY: "x = "}, {KEY: "api_kye = 1"}):
        with pytest.raises(ConfigError) as caught:
            settle({name: KEY}, files)
        assert KEY not in str(caught.value)


def test_a_key_that_was_typed_as_a_profile_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        settle({}, {CONFIG: PROFILES}, profile=KEY)
    assert KEY not in str(caught.value)


def test_no_key_of_a_profile_is_to_be_shown() -> None:
    assert {"sk-top", "sk-prod"} <= {
        key for key, path in kept_keys({}, {CONFIG: PROFILES}.get) if path == CONFIG
    }


def test_a_missing_key_names_every_place() -> None:
    with pytest.raises(ConfigError) as caught:
        settle({"DASHSCOPE_CONFIG": "/etc/ds.toml"})
    for place in (
        "api_key",
        "DASHSCOPE_API_KEY",
        "DASHSCOPE_API_KEY_FILE_PATH",
        "/etc/ds.toml",
        KEY_FILE,
    ):
        assert place in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "files", "words"),
    [
        ({"DASHSCOPE_API_KEY_FILE_PATH": "/gone"}, {}, "there is no such file"),
        ({}, {CONFIG: "api_key = "}, "is not TOML"),
        ({}, {CONFIG: f'api_key = "{KEY}'}, r"is not TOML \(at end of document\)"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: f"x = {KEY}"}, r"is not TOML \(at line 1, column"),
        ({}, {CONFIG: "x = " + "[" * 100_000}, "is not TOML"),
        ({}, {CONFIG: "timeout = " + "9" * 5_000}, "is not TOML"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: "timeout = " + "9" * 400}, "must be a number of at least"),
        ({}, {CONFIG: "api_key = 7"}, "api_key in .*must be a string"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: "region = []"}, "region in .*must be a string"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: 'region = "mars"'}, "'mars': must be one of ap-north"),
        ({"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_REGION": "mars"}, {}, "DASHSCOPE_REGION 'mars'"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: "timeout = 0"}, "timeout=0 in"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: "timeout = nan"}, "timeout=nan in"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: "timeout = inf"}, "timeout=inf in"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: "timeout = true"}, "timeout=True in"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: "max_retries = 1.5"}, "max_retries=1.5 in"),
        ({"DASHSCOPE_API_KEY": KEY}, {CONFIG: "max_retries = -1"}, "at least 0"),
        ({"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_WORKSPACE": "a.b"}, {}, "workspace 'a.b'"),
        ({"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_WORKSPACE": "-a"}, {}, "letter or digit"),
        ({"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_WORKSPACE": "a" * 65}, {}, "1 to 64"),
        ({"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_WORKSPACE": "a\r\nX: y"}, {}, "workspace"),
    ],
)
def test_an_unusable_setting_is_named(
    environ: dict[str, str], files: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        settle(environ, files)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["api_key", "base_url", "region", "workspace"])
@pytest.mark.parametrize("value", [b"sk-x", 7, ["x"]])
def test_a_setting_that_is_no_string_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}: must be a string, not {type(value).__name__}"):
        settle(**{"api_key": KEY, name: value})


@pytest.mark.parametrize(
    "url", [f"https://{KEY}@host/", f"https://host/?key={KEY}", f"https://host/#{KEY}"]
)
def test_a_key_inside_a_url_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_url(url, allow_http=True)
    assert KEY not in str(caught.value)


def test_a_key_that_is_given_and_empty_leaves_its_place_to_no_other() -> None:
    files = {CONFIG: "[profiles.p]\napi_key = 'sk-other'"}
    for options in ({}, {"profile": "p"}):
        with pytest.raises(ConfigError, match="the API key from api_key is empty"):
            settle({"DASHSCOPE_API_KEY": "sk-other"}, files, api_key="", **options)


@pytest.mark.parametrize("key", ["sk a", "sk\x00", "sk-é", "   ", f"{KEY}\n{KEY}"])
def test_a_key_that_can_be_none_is_refused_unseen(key: str) -> None:
    for environ, files, options in (
        ({}, {}, {"api_key": key}),
        ({"DASHSCOPE_API_KEY": key}, {}, {}),
        ({}, {KEY_FILE: key}, {}),
    ):
        with pytest.raises(ConfigError, match="no key has") as caught:
            settle(environ, files, **options)
        assert key.strip() == "" or key not in str(caught.value)


def test_a_secret_shows_itself_nowhere() -> None:
    settings = settle(api_key=KEY)
    assert settings.api_key == KEY
    for shown in (repr(settings), repr([settings.api_key]), f"{settings!r}", repr({"a": Secret(KEY)})):
        assert KEY not in shown


@pytest.mark.parametrize(
    "url",
    [
        "https://host.example/api/v1",
        "https://[2001:db8::1]:8443/api/v1",
        "http://127.0.0.1:8000/api/v1",
        "http://127.9.9.9/api/v1",
        "http://[::1]:8000/api/v1",
        "http://localhost:8000/api/v1",
    ],
)
def test_https_and_this_machine_may_get_the_key(url: str) -> None:
    assert checked_url(url + "/", allow_http=False) == url


def test_a_scheme_in_capitals_is_the_same_scheme() -> None:
    assert checked_url("HTTPS://Host.example/Api/v1/", allow_http=False) == "https://Host.example/Api/v1"
    with pytest.raises(ConfigError, match="plain http"):
        checked_url("HtTp://host.example", allow_http=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://host.example/api/v1",
        "http://10.0.0.1/api/v1",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://0.0.0.0/",
    ],
)
def test_plain_http_to_another_machine_must_be_wished_for(url: str) -> None:
    with pytest.raises(ConfigError, match="plain http would show the key"):
        checked_url(url, allow_http=False)
    assert checked_url(url, allow_http=True) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/api",
        "host.example/api",
        "https://",
        "https:///api",
        "https://host:0/api",
        "https://host:99999/api",
        "https://host:x/api",
        "https://[::1/api",
        "https://a..example/api",
        f"https://{'a' * 64}.example/api",
        "https://user:secret@host/api",
        "https://host/api?x=1",
        "https://host/api#x",
        "https://host\\@evil/api",
        "https://h(o)st/api",
        "https://host/a b",
        "https://hôst/api",
        "https://host/api\x7f",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="base URL") as caught:
        checked_url(url, allow_http=True)
    assert "secret" not in str(caught.value)


@given(st.text(), st.text(), st.text(), st.text())
def test_any_settings_are_usable_or_a_config_error(key: str, url: str, region: str, toml: str) -> None:
    environ = {"DASHSCOPE_API_KEY": key, "DASHSCOPE_BASE_URL": url, "DASHSCOPE_REGION": region}
    try:
        settings = settle(environ, {CONFIG: toml})
    except ConfigError:
        return
    assert settings.base_url.isascii()
    assert settings.api_key.isascii()
