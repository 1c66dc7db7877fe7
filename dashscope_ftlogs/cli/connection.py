"""The options by which every command that asks the service finds it."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from dashscope_ftlogs import ConfigError, RetryPolicy

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession


@attrs.frozen
class Connection:
    """What the connection options said; None where they said nothing."""

    api_key_file: Path | None = None
    region: str | None = None
    workspace: str | None = None
    base_url: str | None = None
    allow_http: bool = False
    timeout: float | None = None
    max_tries: int | None = None
    max_rate: float | None = None

    def session(self, concurrency: int = 8) -> "LogSession":
        """Return a session with these settings; what is not set comes from environment and files."""
        from dashscope_ftlogs import LogSession  # noqa: PLC0415  (an HTTP client takes long to import)

        key = None
        if self.api_key_file is not None:
            try:
                key = self.api_key_file.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"--api-key-file {self.api_key_file}: {error}") from None
        return LogSession(
            key,
            base_url=self.base_url,
            region=self.region,
            workspace=self.workspace,
            allow_http=self.allow_http,
            timeout=self.timeout,
            retry=None if self.max_tries is None else RetryPolicy(max_tries=self.max_tries),
            concurrency=concurrency,
            max_rate=self.max_rate,
        )


_PANEL = "Connection"
_OPTIONS: dict[str, Any] = {
    "api_key_file": Annotated[
        Path | None,
        typer.Option(help="Read the API key from this file.", rich_help_panel=_PANEL),
    ],
    "region": Annotated[
        str | None,
        typer.Option(help="The key's region, such as cn-beijing.", rich_help_panel=_PANEL),
    ],
    "workspace": Annotated[
        str | None, typer.Option(help="A workspace id, if not the key's.", rich_help_panel=_PANEL)
    ],
    "base_url": Annotated[
        str | None,
        typer.Option(help="The endpoint, https://HOST/api/v1.", rich_help_panel=_PANEL),
    ],
    "allow_http": Annotated[
        bool,
        typer.Option(
            "--allow-http",
            help="Send the key over plain http to another machine.",
            rich_help_panel=_PANEL,
        ),
    ],
    "timeout": Annotated[
        float | None, typer.Option(help="Seconds for one request.", rich_help_panel=_PANEL)
    ],
    "max_tries": Annotated[
        int | None,
        typer.Option(help="Requests for one answer before giving up.", rich_help_panel=_PANEL),
    ],
    "max_rate": Annotated[
        float | None,
        typer.Option(help="The most requests a second.", rich_help_panel=_PANEL),
    ],
}


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the connection options; it gets them as its argument `connection`."""

    @functools.wraps(command)
    def with_options(**arguments: Any) -> None:
        options = {name: arguments.pop(name) for name in _OPTIONS}
        command(**arguments, connection=Connection(**options))

    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "connection"]
    shared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=attrs.fields_dict(Connection)[name].default,
            annotation=annotation,
        )
        for name, annotation in _OPTIONS.items()
    ]
    with_options.__signature__ = signature.replace(parameters=own + shared)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in own + shared}
    return with_options
