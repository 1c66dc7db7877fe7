"""The options by which every command that asks the service finds it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import attrs
import typer

from dashscope_ftlogs import ConfigError, InvalidArgumentError, RetryPolicy
from dashscope_ftlogs.checks import above_zero, lasting
from dashscope_ftlogs.cli.key_in_messages import key_from
from dashscope_ftlogs.cli.options import duration, number, whole_number
from dashscope_ftlogs.text import file_for_shell, for_shell

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

REGIONS: Final = (
    *("ap-northeast-1", "ap-southeast-1", "cn-beijing", "cn-hongkong", "eu-central-1", "us-east-1"),
)
"""What the shell completes; the session says what there is."""
_OF_ONE_KEY: Final = ("api_key_file", "workspace")
_NO_KEY: Final = "the argument api_key"


def complete_regions(incomplete: str) -> list[str]:
    """Return the regions whose names begin so."""
    return [region for region in REGIONS if region.startswith(incomplete)]


def naming(*profiles: str) -> str:
    """Return the options for profiles, to follow a job in a command that is told.

    >>> "ftlogs cat ft-1" + naming("prod"), naming("")
    ('ftlogs cat ft-1 --profile prod', '')
    """
    return "".join(f" --profile {for_shell(one)}" for one in profiles if one)


@attrs.frozen
class Connection:
    """What the connection options said; None where they said nothing."""

    TITLE: ClassVar = "Connection"

    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="Read the API key from this file.", show_default="DASHSCOPE_API_KEY or ~/.dashscope"
        ),
    ] = None
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Key, region and more from [profiles.NAME] of ~/.dashscope/config.toml; again for "
            "further ones.",
        ),
    ] = None
    region: Annotated[
        str | None,
        typer.Option(
            help="The key's region, such as cn-beijing.",
            autocompletion=complete_regions,
            show_default="ap-southeast-1",
        ),
    ] = None
    workspace: Annotated[
        str | None, typer.Option(help="A workspace id.", show_default="the key's own")
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option(help="The endpoint, https://HOST/api/v1.", show_default="the region's"),
    ] = None
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Send the key over plain http to another machine.")
    ] = False
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="URL|none",
            help="An HTTP proxy.",
            show_default="as HTTPS_PROXY and NO_PROXY say",
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        typer.Option(help="Trust these certificates too: a company's own, in PEM form."),
    ] = None
    timeout: Annotated[float | None, duration("For one request.", show_default="60s")] = None
    max_tries: Annotated[
        int | None,
        whole_number("Requests for one answer before giving up.", 1, show_default="8"),
    ] = None
    max_rate: Annotated[
        float | None,
        number("The most requests a second.", above_zero, show_default="no bound"),
    ] = None

    def by_profile(self) -> "dict[str, Connection]":
        """Return the connection of each profile that is named, by its name; this one by none, without.

        Raises:
            InvalidArgumentError: what belongs to one key is given for several.
        """
        names = list(dict.fromkeys(self.profile or ()))
        if not names:
            return {"": self}
        for name in _OF_ONE_KEY:
            if names[1:] and getattr(self, name) is not None:
                raise InvalidArgumentError(
                    f"{_option(name)}: not with several profiles; each has its own"
                )
        return {name: attrs.evolve(self, profile=[name]) for name in names}

    def given(self, *profiles: str) -> str:
        """Return the options for another command that is to ask the same service, by these profiles.

        >>> "ftlogs cat ft-1" + Connection(region="cn-beijing", timeout=90).given("prod")
        'ftlogs cat ft-1 --region cn-beijing --timeout 1m30s --profile prod'
        """
        told = ""
        for name in (one.name for one in attrs.fields(Connection)):
            value = getattr(self, name)
            if name == "profile" or value in {None, False} or (profiles[1:] and name in _OF_ONE_KEY):
                continue
            told += f" {_option(name)}"
            if value is not True:
                word = lasting(value) if name == "timeout" else str(value)
                told += f" {file_for_shell(word) if isinstance(value, Path) else for_shell(word)}"
        return told + naming(*profiles)

    def sessions(self, concurrency: int | None = None) -> "dict[str, LogSession]":
        """Return a session of each profile, by its name; all settings are checked before any is used."""
        return {name: one.session(concurrency) for name, one in self.by_profile().items()}

    def session(self, concurrency: int | None = None, *, key: str | None = None) -> "LogSession":
        """Return a session with these settings; what is not set comes from environment and files.

        A `key` that is given takes the place of the user's. It is of one profile: see `by_profile`.
        """
        from dashscope_ftlogs import LogSession  # noqa: PLC0415  (an HTTP client takes long to import)

        if key is None and self.api_key_file is not None:
            key = key_from(str(self.api_key_file), "--api-key-file")
        try:
            return self._session(LogSession, key, concurrency)
        except ConfigError as error:
            said = str(error).removesuffix(".")
            if _NO_KEY not in said:
                raise
            raise ConfigError(
                f"{said.replace(_NO_KEY, 'the option --api-key-file')}. Without a key: ftlogs demo"
            ) from None

    def _session(
        self, made: "type[LogSession]", key: str | None, concurrency: int | None
    ) -> "LogSession":
        return made(
            key,
            profile=self.profile[0] if self.profile else None,
            base_url=self.base_url,
            region=self.region,
            workspace=self.workspace,
            allow_http=self.allow_http,
            proxy=self.proxy,
            ca_file=self.ca_file,
            timeout=self.timeout,
            retry=None if self.max_tries is None else RetryPolicy(max_tries=self.max_tries),
            concurrency=concurrency,
            max_rate=self.max_rate,
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
