"""The ways to read a log that are compared: one module each, written as its users would write it.

Each has `read(base_url, jobs, concurrency, got)`, plain or async, which reads the logs of all jobs to
their ends and calls `got` with the number of lines that have come. `python -m peers NAME ...` runs one
in a process of its own.
"""

from importlib.util import find_spec

import attrs

KEY = "sk-benchmark-0123456789"


@attrs.frozen
class Peer:
    """What a table says of a peer, and what must be installed to run it."""

    label: str
    needs: str = "dashscope_ftlogs"

    @property
    def installed(self) -> bool:
        return find_spec(self.needs) is not None


PEERS = {
    "ftlogs_pages": Peer("ftlogs, pages()"),
    "ftlogs_lines": Peer("ftlogs, lines()"),
    "ftlogs_jobs": Peer("ftlogs, fetch_many()"),
    "ftlogs_download": Peer("ftlogs, download()"),
    "ftlogs_metrics": Peer("ftlogs, metrics()"),
    "dashscope_v1": Peer("dashscope v1", "dashscope"),
    "dashscope_v2": Peer("dashscope v2 AsyncClient", "dashscope"),
    "requests_loop": Peer("requests loop", "requests"),
    "httpx_loop": Peer("httpx loop", "httpx"),
    "aiohttp_loop": Peer("aiohttp loop, json()", "aiohttp"),
    "literal_eval": Peer("aiohttp loop, literal_eval", "aiohttp"),
    "aiohttp_imported": Peer("aiohttp imported", "aiohttp"),
    "bare": Peer("bare aiohttp + msgspec", "msgspec"),
    "bare_in_order": Peer("bare, in order", "msgspec"),
    "bare_lines": Peer("bare, in order, by line", "msgspec"),
    "raw_socket": Peer("raw socket, bodies split", "socket"),
    "server_alone": Peer("the server alone", "socket"),
}
SEQUENTIAL = ("dashscope_v1", "dashscope_v2", "requests_loop", "httpx_loop", "aiohttp_loop")
"""Those that ask for one page after the other."""
