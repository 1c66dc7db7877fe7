"""nginx (Debian: `apt-get install nginx-light`), serving the ready-made pages from files.

Where it is not installed, the lean server takes its place; its speed alone is printed either way.
"""

import itertools
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.pages import make_log
from servers.serving import Counts, Server, fetch, lean

# A page's name is the digit of its thousands, since each tenth page is the same.
CONFIG = r"""
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  default_type application/json;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=100;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  map $arg_offset $page {{
    default 0;
    {total} beyond;
    "~(?<digit>\d)\d\d\d$" $digit;
  }}
  server {{
    listen 127.0.0.1:{port};
    root {folder};
    location = /counts {{ stub_status; }}
    location / {{ try_files /$page.json =404; }}
  }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def fastest(total: int) -> Iterator[Server]:
    """Run nginx, or what comes next to it, for the length of a block."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        with lean(total) as server:
            yield server
        return
    ramdisk = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=ramdisk) as folder:
        # nginx started by root reads its files as somebody else.
        Path(folder).chmod(0o755)
        log, port = make_log(total), free_port()
        for number, page in enumerate(log.pages):
            Path(folder, f"{number}.json").write_bytes(page)
        Path(folder, "beyond.json").write_bytes(log.beyond)
        config = Path(folder, "nginx.conf")
        config.write_text(CONFIG.format(folder=folder, port=port, total=total))
        with subprocess.Popen([nginx, "-e", "stderr", "-c", str(config)]) as process:
            try:
                await_port(port)
                asked = itertools.count(1)
                yield Server("nginx", port, lambda: Counts(requests=answered(port) - next(asked)))
            finally:
                process.terminate()


def await_port(port: int) -> None:
    """Return as soon as somebody listens there."""
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def answered(port: int) -> int:
    """Return how many requests nginx has answered, this one included."""
    return int(re.findall(r"\d+", fetch(port, "/counts"))[3])
