"""Asking, step by step: each has a time limit, and none that fails ends the others."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from dashscope_ftlogs import REGIONS
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.doctor import documented_facts, verdicts
from dashscope_ftlogs.cli.doctor.findings import Finding, RawAnswer, State
from dashscope_ftlogs.cli.key_in_messages import files_with_keys
from dashscope_ftlogs.cli.run_command import told
from dashscope_ftlogs.cli.short_job_ids import LAST, whole_job
from dashscope_ftlogs.errors import CertificateError, FTLogsError
from dashscope_ftlogs.models import ENDED

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

PATIENCE: Final = 20.0
"""Seconds that a step may take, if nothing else is said."""
_NO_KEY: Final = "no-key"
"""What is sent where the key must not go. It is refused, which says who is there."""
_CERTIFICATE: Final = "certificate"
_ASKED: Final = "fine-tunes?page_no=1&page_size=10"

Findings = AsyncGenerator[Finding, None]


async def examine(
    connection: Connection,
    job: str | None,
    *,
    contract: bool,
    now: Callable[[], datetime],
    gateways: Mapping[str, str] = REGIONS,
    patience: float = PATIENCE,
) -> Findings:
    """Yield what is found, as it is found.

    Args:
        connection: What the options say.
        job: The job to look at; None for the newest.
        contract: Whether to try which of the documented facts hold for its log.
        now: Tells the time, by this machine.
        gateways: The base URLs of all regions. They are asked, without the key, if one of them is meant.
        patience: Seconds that a step may take; the options may say others for one that is a request.
    """
    once = attrs.evolve(
        connection,
        timeout=patience if connection.timeout is None else connection.timeout,
        max_tries=1 if connection.max_tries is None else connection.max_tries,
    )
    try:
        stranger = once.session(key=_NO_KEY)
    except FTLogsError as error:
        yield verdicts.failed("settings", error, told(error))
        return
    places = dict(stranger.places)
    del places["api_key"]
    session = None
    try:
        session = once.session()
        places = dict(session.places)
    except FTLogsError as error:
        yield verdicts.failed("key", error, told(error))
    given = verdicts.settings(places, stranger.base_url, str(stranger.proxy or ""))
    for finding in chain(given, verdicts.files_with_keys(_modes(connection))):
        yield finding
    async with stranger:
        yield await _names(stranger, patience)
        answered, findings = await _gateway("gateway", stranger, now)
        if stranger.base_url.startswith("https:") and findings[0].name != _CERTIFICATE:
            yield verdicts.certificate(_CERTIFICATE, *await stranger.certificate())
        for finding in findings:
            yield finding
        url = stranger.base_url
        if url in gateways.values() or url != verdicts.without_workspace(url):
            for finding in await _others(once, url, gateways, now):
                yield finding
    if session is None or not answered:
        yield Finding("jobs", State.UNKNOWN, "not asked: see above")
        return
    async with session:
        async for finding in _with_key(session, job, contract=contract, patience=patience):
            yield finding


def _modes(connection: Connection) -> Mapping[str, int]:
    """Return the modes of the files with keys, by their paths."""
    modes: dict[str, int] = {}
    option = () if connection.api_key_file is None else (str(connection.api_key_file),)
    for path in (*option, *files_with_keys()):
        with suppress(OSError, RuntimeError):  # which is told where the key is read
            modes[path] = Path(path).expanduser().stat().st_mode
    return modes if os.name == "posix" else {}  # Windows says nothing of others by them


async def _names(session: "LogSession", patience: float) -> Finding:
    """Look up the address of whoever is connected to: the proxy, if there is one."""
    parts = urlsplit(session.base_url if session.proxy is None else session.proxy.url)
    host, name = parts.hostname or "", "name of the proxy" if session.proxy else "name of the endpoint"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience):
            found = await loop.getaddrinfo(host, parts.port, type=socket.SOCK_STREAM)
    except OSError as error:
        said = error.strerror or f"no answer within {patience:g} s"
        return Finding(
            name, State.WRONG, f"{host}: {said}", "Check the name, and this machine's DNS.", 5
        )
    return Finding(name, State.OK, f"{host} has {len(found)} address{'es' * (len(found) > 1)}")


async def _gateway(
    name: str, session: "LogSession", now: Callable[[], datetime]
) -> tuple[bool, list[Finding]]:
    """Ask a gateway without the key; return whether it is the service that answers, and what is told."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        answer = RawAnswer(*await session.answer(_ASKED))
    except CertificateError as error:
        return False, [verdicts.failed(_CERTIFICATE, error)]
    except FTLogsError as error:
        return False, [verdicts.failed(name, error)]
    found = verdicts.gateway(name, answer, loop.time() - begun)
    return found.state is not State.WRONG, [found, verdicts.clock(answer, now())]


async def _others(
    connection: Connection, own: str, gateways: Mapping[str, str], now: Callable[[], datetime]
) -> list[Finding]:
    """Ask the gateways of the other regions, all at once; none of them has to be there."""

    async def ask(url: str) -> Finding:
        regions = ", ".join(region for region, of in gateways.items() if of == url)
        name = f"gateway of {regions}"
        asked = attrs.evolve(connection, base_url=url, region=None)
        try:
            async with asked.session(key=_NO_KEY) as session:
                _, (finding, *_) = await _gateway(name, session, now)
        except FTLogsError as error:  # the proxy's settings, which may be others for this host
            finding = verdicts.failed(name, error, told(error))
        if finding.state is State.WRONG:
            advice = "Only your own region matters."
            return attrs.evolve(finding, name=name, state=State.ODD, code=0, advice=advice)
        return finding

    others = sorted({url for url in gateways.values() if url != own})
    return list(await asyncio.gather(*map(ask, others)))


async def _with_key(
    session: "LogSession", job: str | None, *, contract: bool, patience: float
) -> Findings:
    try:
        answer = RawAnswer(*await session.answer(_ASKED))
    except FTLogsError as error:
        yield verdicts.failed("key", error)
        return
    accepted = verdicts.key(answer)
    yield accepted
    if accepted.state is not State.OK:
        return
    listed = verdicts.listing(answer)
    yield listed
    if job is None and listed.told == verdicts.NO_JOBS:
        yield Finding("job", State.UNKNOWN, "there is none to look at")
        return
    try:
        async with asyncio.timeout(patience):
            job_id = await whole_job({"": session}, job or LAST)
        known = await session.job(job_id)
        first = RawAnswer(*await session.answer(f"fine-tunes/{job_id}/{documented_facts.FIRST}"))
    except FTLogsError as error:
        yield verdicts.failed("job", error, told(error) if isinstance(error, ValueError) else "")
        return
    except TimeoutError:
        said = f"the list of jobs was not read to its end within {patience:g} s"
        yield Finding("job", State.WRONG, said, "Name one by its whole id.", 5)
        return
    yield verdicts.job(known)
    log = verdicts.log(first)
    yield log
    page = documented_facts.page(first)
    if contract and page is not None:
        answers: dict[str, RawAnswer | FTLogsError] = {"first": first}
        for name, path in documented_facts.questions(job_id, page.total).items():
            try:
                answers[name] = RawAnswer(*await session.answer(path))
            except FTLogsError as error:
                answers[name] = error
        for finding in documented_facts.facts(answers, is_final=known.status in ENDED):
            yield finding
