"""The benchmarks measure what they say: every case, on tiny sizes, against the bundled server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the scripts importable, with the lean server and the peers that are always there."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    import peers
    import servers.nginx

    monkeypatch.setattr(servers.nginx.shutil, "which", lambda *_, **__: None)
    for name, peer in peers.PEERS.items():
        if peer.needs in ("dashscope", "requests", "httpx"):
            monkeypatch.setitem(peers.PEERS, name, peers.Peer(peer.label, needs="not_installed"))
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


CASES = (
    *("cost-per-line", "latency", "learned", "many-jobs", "throttled", "profiles", "slow-link"),
    *("growth", "disk", "metrics", "reading", "start-up", "overhead"),
)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("benchmarks")
def test_a_case_measures_what_was_served(name: str, tmp_path: Path) -> None:
    from cases import CASES
    from measure import Effort, write

    case = CASES[name]
    write(case.measure(Effort(0.01, 1)), tmp_path)
    result: dict[str, Any] = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
    assert result["case"] == name
    for runs in result["rounds"]:
        for peer, run in runs.items():
            assert all(run[what] > 0 for what in ("seconds", "microseconds") if what in run)
            if peer.startswith("ftlogs") and "lines" in run:
                assert run["lines"] == (int(peer.split()[1]) if name == "growth" else result["lines"])
                assert run["error"] is None
                assert run["requests"] - run["refused"] >= run["lines"] / 1000
    figures = case.figures(result)
    assert figures
    for figure in figures:
        assert figure.measured.low <= figure.measured.median <= figure.measured.high
        assert str(figure).startswith(figure.name)


@pytest.mark.usefixtures("benchmarks")
def test_all_cases_are_tested() -> None:
    import cases

    assert set(CASES) == set(cases.CASES)


@pytest.mark.usefixtures("benchmarks")
def test_readme_and_its_page_say_what_the_published_results_say() -> None:
    from prose import PAGE, README, page, published, text, with_text

    readme = README.read_text("utf-8")
    assert text(published()) in readme
    assert with_text(readme, text(published())) == readme
    assert PAGE.read_text("utf-8") == page(published())


def test_a_case_that_does_not_exist_is_named() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS), "speed"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no such case: speed; there are cost-per-line, " in done.stderr
