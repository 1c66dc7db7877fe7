"""What stands between a company's machines and the service: proxies, and servers that speak TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trustme
from raw_server import raw_server

from dashscope_ftlogs.emulator import Emulator

GATEWAY = "gateway.example"
"""A name that only the proxy knows."""


def port_of(emulator: Emulator) -> int:
    return int(emulator.base_url.split(":")[2].split("/")[0])


class Wall:
    """An emulator that only TLS reaches, and a proxy before it that passes on what it is asked to."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA(organization_name="Example Company", organization_unit_name="Wall")
        self.ca_file = str(folder / "company.pem")
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.asked: list[str] = []
        """What the proxy was asked, each with all its headers."""
        self.answer: Callable[[asyncio.StreamWriter], None] | None = None
        """What it says instead of passing on, before it closes the connection."""

    @property
    def connects(self) -> list[str]:
        """The first lines of what the proxy was asked."""
        return [head.partition("\r\n")[0] for head in self.asked]

    @asynccontextmanager
    async def tls(self, port: int, *names: str) -> AsyncIterator[int]:
        """Speak TLS before a port; give the port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names).configure_cert(context)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _join(reader, writer, port)

        async with raw_server(talk, context) as own:
            yield own

    @asynccontextmanager
    async def proxy(self, port: int) -> AsyncIterator[str]:
        """Connect whoever asks with a port, whatever host they name; give the proxy's URL."""

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if self.answer is not None:
                self.answer(writer)
                await writer.drain()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join(reader, writer, port)

        async with raw_server(talk) as own:
            yield f"http://127.0.0.1:{own}"


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
