"""What an installation with a single extra can do; `nox -s extras` runs this in one after the other."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from dashscope_ftlogs import ConfigError, LogSession, MetricsTable, verify_archive
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LINES = ["Training start!", "{'loss': 1.5, 'global_step/max_steps': '1/2'}"]


async def read(emulator: Emulator) -> None:
    async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
        assert await session.lines("ft-1").collect() == LINES


def ftlogs(*words: str) -> "subprocess.CompletedProcess[str]":
    command = Path(sys.executable).with_name("ftlogs")
    return subprocess.run([command, *words], capture_output=True, text=True, check=False)


def nothing(_: Path) -> None:
    assert not importlib.util.find_spec("typer")
    ended = ftlogs("jobs")
    assert "pip install 'dashscope-ftlogs[cli]'" in ended.stderr
    assert ended.returncode == 1
    needs_the_extra_data()


def needs_the_extra_data() -> None:
    try:
        MetricsTable.from_lines(LINES).__arrow_c_stream__()
    except ConfigError as error:
        assert "pip install 'dashscope-ftlogs[data]'" in str(error)
    else:
        raise AssertionError


def cli(log: Path) -> None:
    ended = ftlogs("metrics", str(log))
    assert ended.returncode == 0, ended.stderr
    assert "1.5" in ended.stdout
    needs_the_extra_data()
    assert "dashscope-ftlogs[data]" in ftlogs("metrics", str(log), "-o", "m.parquet").stderr
    assert "dashscope-ftlogs[plot]" in ftlogs("plot", str(log), "-o", "curve.png").stderr


def data(_: Path) -> None:
    import pyarrow as pa

    table = MetricsTable.from_lines(LINES)
    assert pa.table(table).to_pylist() == [dict.fromkeys(table.columns) | row for row in table.rows()]


def dask(log: Path) -> None:
    from distributed import LocalCluster

    async def download() -> None:
        async with (
            Emulator([EmulatedJob("ft-1", LINES)]) as emulator,
            LogSession(emulator.api_key, base_url=emulator.base_url) as session,
        ):
            await session.download(["ft-1"], log.with_name("archive"), settle=0)

    asyncio.run(download())
    dataset = log.with_name("dataset")
    with LocalCluster(n_workers=1, processes=False, protocol="tcp", dashboard_address=None) as cluster:
        where = ("-o", f"{dataset}/", "--dask", cluster.scheduler_address)
        ended = ftlogs("metrics", str(log.with_name("archive")), *where)
    assert ended.returncode == 0, ended.stderr
    assert list(dataset.rglob("*.parquet"))


def fast(_: Path) -> None:
    import uvloop

    with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
        uvloop.run(read(emulator))
        assert "br" in emulator.journal[0].headers["accept-encoding"]


def object_store(_: Path) -> None:
    os.environ.update(AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_EC2_METADATA_DISABLED="true")
    try:
        list(verify_archive("s3://bucket/logs"))
    except ConfigError as error:
        assert "AWS_ACCESS_KEY_ID" in str(error)
    else:
        raise AssertionError


def plot(log: Path) -> None:
    picture = log.with_name("curve.svg")
    ended = ftlogs("plot", str(log), "-o", str(picture))
    assert ended.returncode == 0, ended.stderr
    assert "</svg>" in picture.read_text("utf-8")


def tensorboard(log: Path) -> None:
    ended = ftlogs("metrics", str(log), "--tensorboard", str(log.with_name("events")))
    assert ended.returncode == 0, ended.stderr
    assert list(log.parent.rglob("events.out.tfevents*"))


def testing(log: Path) -> None:
    test = log.with_name("test_it.py")
    test.write_text("def test_it(ftlogs_session, ftlogs_emulator): assert not ftlogs_emulator.journal\n")
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test], check=True)


def main(extra: str) -> None:
    with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
        asyncio.run(read(emulator))
    with TemporaryDirectory() as folder:
        log = Path(folder) / "ft-1.log"
        log.write_text("\n".join(LINES), "utf-8")
        globals()[extra.replace("-", "_") or "nothing"](log)


if __name__ == "__main__":
    main(sys.argv[1])
