"""Everything that CI runs. `nox` alone: style, types, and the whole suite with complete coverage.

nox -t more                what that leaves out: other Pythons, the documentation, a browser, packages
nox -t larger              what takes long, what chance decides tried more often, a soak (not part of CI)
nox -s tests -- -k cat     some tests, against the installed wheel
nox -s bench -- latency    one benchmark, or all (not part of CI: shared machines are noisy)
nox -s soak -- 10          ten minutes of faults, kills and restarts; by default half a minute
nox -s fuzz -- 600         ten minutes of looking for bad input (the tests do so for some seconds)
nox -s mutation -- client/cursor  whether the tests notice each change of a module
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

# What CI runs besides. A session that finds here nothing to run on says so, and is skipped.
MORE = ("more",)
# What more time finds: before a release, and after a change of what it tries.
LARGER = ("larger",)

HERE = Path(__file__).parent
DIST = HERE / "dist"
BUILT: list[Path] = []
PROJECT = nox.project.load_toml(HERE / "pyproject.toml")["project"]
PROMISED = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if "Python :: 3." in text]
OWN = "{}.{}".format(*sys.version_info)
SOURCES = ("dashscope_ftlogs", "tests", "benchmarks", "docs", "noxfile.py")

# What reads this repository as text, which is the same to each Python.
TEXTS = ("--ignore=tests/project/test_docs.py", "--ignore=tests/project/test_rooms.py")

# In which the versions of Python differ most: tasks, threads, connections, files, signals, nested JSON.
DIFFERING = (
    *(f"tests/client/{name}" for name in ("callers_side", "exchange")),
    *(f"tests/client/network/test_{name}.py" for name in ("behind_a_wall", "certificates")),
    *(
        f"tests/client/test_{name}.py"
        for name in (
            *("closed_sessions", "connection_owner", "fetch_many", "found_at_once", "leaving_a_read"),
            *("other_loops", "paginator", "service", "tasks", "warnings", "wire", "with_options"),
        )
    ),
    *("tests/follow/test_follower.py", "tests/whole/test_crashes.py", "tests/whole/test_leaks.py"),
    *("tests/archive/test_threads.py", "tests/archive/test_cancelled_downloads.py"),
    *("tests/cli/test_app.py", "tests/whole/test_exactness.py", "tests/test_session.py"),
)

# What takes seconds, and asks little of Python: hours by a clock of its own, pieces, what a page says.
LASTING = tuple(
    f"--ignore=tests/{name}.py"
    for name in (
        *("follow/test_giving_up_in_time", "follow/test_live_log", "follow/test_running_jobs"),
        *("follow/test_stale_follows", "archive/test_growing_lines", "archive/test_pieces"),
        "report/test_page",
    )
)

# What meets most of what other packages could have changed.
LOWEST = (
    "tests/test_session.py",
    "tests/client/test_service.py",
    "tests/client/test_wire.py",
    "tests/test_pytest_plugin.py",
)

# What must not go wrong unnoticed, and the tests that hold each of its modules.
MUTATED = {
    "client/cursor": "client/test_cursor client/test_paginator",
    "client/doubt": "client/test_doubt",
    "client/paginator": "client/test_careful_reads client/test_paginator client/test_stale_reads "
    "client/test_leaving_a_read client/test_position client/test_memory",
    "client/pacing/request_gate": "client/pacing/test_request_gate",
    "client/pacing/requests_in_flight": "client/pacing/test_requests_in_flight",
    "client/pacing/requests_per_second": "client/pacing/test_request_gate",
    "client/connection_owner": "client/test_connection_owner client/test_service client/test_warnings "
    "client/exchange/test_large_answers client/exchange/test_request_events "
    "client/callers_side/test_raised_by_a_hook client/test_with_options "
    "security/test_secrets security/test_answers security/test_repeated_key",
    "client/network/certificates": "client/network/test_certificates",
    "client/network/connection_pool": "client/network/test_behind_a_wall client/test_connection_owner "
    "client/test_closed_sessions client/test_other_loops",
    "client/network/proxies": "client/network/test_proxies client/network/test_behind_a_wall "
    "security/test_proxy_password",
    "client/tasks": (
        "client/test_tasks client/test_leaving_a_read client/test_other_loops client/test_fetch_many"
    ),
    "client/fed_iterators": "client/test_leaving_a_read client/test_other_loops client/test_paginator",
    "client/retry_on_429_and_5xx": "client/test_retry_on_429_and_5xx",
    "client/wire": "client/test_wire client/test_retry_on_429_and_5xx client/test_connection_owner",
    "archive/manifest": "archive/test_manifest archive/test_pieces archive/test_directory "
    "archive/test_verify archive/test_local_log_reader",
    "archive/directory": "archive/test_directory archive/test_download archive/test_verify",
    "archive/download": "archive/test_download archive/test_stale_downloads archive/test_settling "
    "archive/test_gone_archives archive/test_cancelled_downloads archive/test_recheck "
    "archive/test_refused_archives",
    "archive/local/log_writer": "archive/test_log_writer archive/test_pieces archive/test_directory "
    "archive/test_download archive/test_dying_disk",
    "archive/outcomes": "archive/test_verify archive/test_download archive/test_refused_archives "
    "test_public_names",
    "archive/job_turns": "archive/test_job_turns archive/test_download test_public_names",
    "archive/object_store/chain": "archive/object_store/test_download archive/object_store/test_verify "
    "archive/object_store/test_failures archive/object_store/test_golden",
    "archive/object_store/commits": "archive/object_store/test_commits archive/object_store/test_golden",
    "follow/live_log": "follow/test_live_log follow/test_follower follow/test_stale_follows",
    "client/redaction": "security/test_secrets test_public_names",
}

# One more worker than there are processors: tests wait for processes and connections, too.
PARALLEL = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")
# CI runs `more` beside `tests`, and each worker compiles, imports and collects for itself.
FEW = ("-n", "2", "--dist", "worksteal")

# Tests that need more than the suite, and have sessions of their own.
APART = (
    *("--ignore=tests/browser", "--ignore=tests/docs", "--ignore=tests/proxies"),
    *("--ignore=tests/object_store", "--ignore=tests/vendor"),
    "--ignore=tests/project/test_benchmarks.py",
)


def groups(*names: str) -> list[str]:
    """Return the requirements of these dependency groups."""
    return nox.project.dependency_groups(nox.project.load_toml(), *names)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, and that each room imports what it may."""
    session.install(*groups("lint"))
    session.run("ruff", "check", *SOURCES)
    session.run("ruff", "format", "--check", *SOURCES)
    session.run("lint-imports", "--no-cache", "--no-logo")


@nox.session
def types(session: nox.Session) -> None:
    """The package and its public face, by two checkers."""
    session.install(*groups("types", "test"), "-e", ".[cli]")
    session.run("mypy", "dashscope_ftlogs", "tests/typing")
    session.run("pyright")


@nox.session(tags=MORE)
def build(session: nox.Session) -> None:
    """Wheel and sdist; what they hold, and that the wheel can be made from the sdist."""
    session.install(*groups("build"))
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("python", "-m", "build", "--installer=uv", "--outdir", str(DIST))
    BUILT[:] = DIST.glob("*.whl")
    session.run("twine", "check", "--strict", *map(str, DIST.iterdir()))
    session.run("check-wheel-contents", *map(str, BUILT))


def built_wheel(session: nox.Session) -> Path:
    """Return what users will get, built once a run: the code may have changed since an earlier one."""
    if not BUILT:
        session.install("build[uv]")
        shutil.rmtree(DIST, ignore_errors=True)
        session.run("python", "-m", "build", "--installer=uv", "--wheel", "--outdir", str(DIST))
        BUILT[:] = DIST.glob("*.whl")
    (wheel,) = BUILT
    return wheel


def install_wheel(session: nox.Session, extras: str, *more: str) -> None:
    """Install what users will get, and what the tests need."""
    wheel = built_wheel(session)
    session.install(*groups("test", *more))
    session.install("--force-reinstall", "--no-deps", str(wheel))
    session.install(f"dashscope-ftlogs[{extras}] @ {wheel.as_uri()}")


def bytecode(session: nox.Session) -> Path:
    """Return the folder for what Python compiles in this environment."""
    return HERE / session.cache_dir / "bytecode" / Path(session.bin).parent.name


def prepare(session: nox.Session, *ignoring: str) -> None:
    """Let one process compile the tests and what commands import, or each worker would, all at once.

    What Hypothesis keeps is made then, too: the kinds of characters, the constants of the tests.
    """
    if not session.posargs and not bytecode(session).exists():
        needing_it_all = "one_thread_as_forking_asks_for or any_text_is_a_fault"
        run_tests(session, "-m", "pytest", "-q", *APART, *ignoring, "-k", needing_it_all)


def run_tests(session: nox.Session, *arguments: str, dev: bool = False) -> None:
    """Run tests, in dev mode or not, from where the source tree can't be imported by accident.

    They start hundreds of processes. What is compiled is kept, or each one would compile all that it
    imports, but not beside the sources, where some want nothing written.
    """
    environ = {"PYTHONDONTWRITEBYTECODE": None, "PYTHONPYCACHEPREFIX": str(bytecode(session))}
    session.run(
        *("python", "-P", *arguments, *session.posargs),
        # Not by -X dev, which does not reach the workers.
        env=environ | ({"PYTHONDEVMODE": "1"} if dev else {}),
        success_codes=[0, 5] if session.posargs else [0],  # 5: what was asked for are other tests
    )


@nox.session
def tests(session: nox.Session) -> None:
    """The suite against the installed wheel with all extras, with complete branch coverage.

    What only other systems run can't be covered on Linux, nor what only Linux runs anywhere else.
    """
    install_wheel(session, "cli,dask,data,fast,object-store,plot,tensorboard", "readers", "lint")
    session.run("coverage", "erase")
    prepare(session)
    pytest = ("-m", "pytest", *PARALLEL, *APART, "-m")
    run_tests(session, "-m", "coverage", "run", *pytest, "not (long or unmeasured or covered)")
    session.run("coverage", "combine", "--quiet")
    if not session.posargs and sys.platform == "linux":
        session.run("coverage", "report")
    run_tests(session, *pytest, "(unmeasured or covered) and not long")


@nox.session(tags=LARGER)
def larger(session: nox.Session) -> None:
    """What takes long; what chance decides, tried more often; and every benchmark, on a tiny size."""
    install_wheel(session, "cli,dask,data,fast,object-store,plot,tensorboard", "readers", "lint")
    pytest = ("-m", "pytest", *PARALLEL)
    times = ("--hours=24", "--kills=40", "--cancels=48", "--instants=20", "--stale-reads=60")
    run_tests(session, *pytest, *APART, "-m", "long or chance", *times)
    run_tests(session, *pytest, "tests/project/test_benchmarks.py")


@nox.session(tags=MORE)
def browser(session: nox.Session) -> None:
    """The report in a real Chromium: one that is installed, or that FTLOGS_CHROMIUM names."""
    chromium = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    if (
        "CI" not in os.environ
        and not os.environ.get("FTLOGS_CHROMIUM")
        and not any(map(shutil.which, chromium))
    ):
        session.skip("there is no Chromium here; install one, or name it in FTLOGS_CHROMIUM")
    install_wheel(session, "cli", "browser")
    run_tests(session, "-m", "pytest", *FEW, "tests/browser", dev=True)


@nox.session(tags=MORE)
def object_store(session: nox.Session) -> None:
    """Archives and datasets on object storage that nobody here wrote; `-m long`: kills and speed."""
    install_wheel(session, "cli,data,object-store", "object-store-servers", "readers")
    # A worker for each file, and no more: each has servers of its own. What is measured runs alone.
    quick = ("-m", "not long", "-n", "2", "--dist", "loadfile")
    run_tests(session, "-m", "pytest", *(() if "-m" in session.posargs else quick), "tests/object_store")


@nox.session(tags=MORE)
def docs(session: nox.Session) -> None:
    """The documentation into build/docs, without the network; all that it shows, executed and typed."""
    install_wheel(session, "cli,data,object-store,testing", "docs", "types")
    site = ("-b", "html", "-d", "build/doctrees", "docs", "build/docs")
    session.run("python", "-P", "-m", "sphinx", "-W", "--keep-going", "-n", "-E", "-q", *site)
    # What the pages do waits for much, and leaves a processor for the type checkers.
    run_tests(session, "-m", "pytest", "-n", "2", "--dist", "loadfile", "tests/docs")


@nox.session(tags=MORE)
def vendor(session: nox.Session) -> None:
    """The vendor's own SDK, a client that nobody here wrote, against the emulator."""
    install_wheel(session, "cli", "vendor")
    run_tests(session, "-m", "pytest", "tests/vendor")


@nox.session(tags=MORE)
def proxies(session: nox.Session) -> None:
    """A real proxy, which nobody here wrote, with and without a password."""
    install_wheel(session, "cli,fast", "proxies")
    run_tests(session, "-m", "pytest", "tests/proxies", dev=True)


@nox.session(tags=MORE)
def fork(session: nox.Session) -> None:
    """The maintained fork of backoff shares its import name: both must do."""
    install_wheel(session, "cli")
    pip = ("uv", "pip") if session.venv_backend == "uv" else ("python", "-m", "pip")
    answer = () if session.venv_backend == "uv" else ("--yes",)
    session.run(*pip, "uninstall", *answer, "backoff")
    session.install("python-backoff")
    service = ("tests/test_session.py", "tests/client/test_service.py")
    run_tests(session, "-m", "pytest", *service, "tests/whole/test_exactness.py", dev=True)


def other_pythons() -> list[str]:
    """Return the promised versions that are here, but for the one that `tests` runs on."""
    return [version for version in PROMISED if version != OWN and runs(f"python{version}")]


def runs(python: str) -> bool:
    """Whether it does more than exist: version managers leave names that lead nowhere."""
    found = shutil.which(python)
    if found is None:
        return False
    return subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0


OTHERS = other_pythons()


def install_on_version(session: nox.Session) -> None:
    """Install what users without extras but the command have, if there is another Python."""
    if session.python is False:
        session.skip(f"there is none of Python {', '.join(PROMISED)} here but the one that runs this")
    install_wheel(session, "cli")


@nox.session(python=OTHERS or False, tags=MORE)
def versions(session: nox.Session) -> None:
    """Most of the suite on the newest Python, on the others what differs; without the extra `fast`.

    Of the tests that start the command again and again, only those of reading a log; none of those that
    read the repository, compare times, or are LASTING, nor, on the newest, those that cover nothing of
    their own; and fewer examples of each property than on the Python of `tests`. The session
    `each_version`, one of the larger, has all that on each.
    """
    install_on_version(session)
    here_too = {"test_app.py", "test_cat.py", "test_emulator.py"}
    others = (path.name for path in HERE.glob("tests/cli/test_*.py") if path.name not in here_too)
    ignoring = (*TEXTS, *LASTING, *(f"--ignore=tests/cli/{name}" for name in others))
    newest = session.python == OTHERS[-1]
    if newest:
        prepare(session, *ignoring)
    # What a second worker compiles and collects takes as long as its share of so few.
    where = FEW if newest else DIFFERING
    left = "slow or long or chance or extras or unmeasured" + (" or covered" if newest else "")
    run_tests(
        session,
        *("-m", "pytest", "-q", "-m", f"not ({left})"),
        *("--hypothesis-profile=few", *APART, *ignoring),
        *(() if session.posargs else where),
    )


@nox.session(python=OTHERS or False, tags=LARGER)
def each_version(session: nox.Session) -> None:
    """The suite on each other Python, but for what needs extras or reads the repository."""
    install_on_version(session)
    prepare(session, *TEXTS)
    run_tests(session, "-m", "pytest", "-q", "-m", "not (long or extras)", *PARALLEL, *APART, *TEXTS)


def lowest_python() -> str | bool | None:
    """Return the lowest that is promised: None if that runs this, False if it isn't here."""
    if PROMISED[0] == OWN:
        return None
    return PROMISED[0] if runs(f"python{PROMISED[0]}") else False


@nox.session(python=lowest_python(), venv_backend="uv", tags=MORE)
def lowest(session: nox.Session) -> None:
    """The lowest versions that pyproject.toml allows, on the lowest Python."""
    if session.python is False:
        session.skip(f"there is no python{PROMISED[0]} here")
    wheel = built_wheel(session)
    session.install(
        *("--resolution=lowest-direct", "-r", "pyproject.toml", "--all-extras", "--group=test")
    )
    session.install("--no-deps", "--reinstall", str(wheel))
    for extra in ("dask", "data", "fast", "object-store", "plot", "tensorboard"):
        run_tests(session, "tests/each_extra.py", extra)
    run_tests(session, "-m", "pytest", "-q", "-m", "not (slow or long or extras)", *LOWEST)


@nox.session(venv_backend="uv", tags=MORE)
@nox.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def extras(session: nox.Session, extra: str) -> None:
    """Each extra alone, in an environment that holds nothing else, does what it is for."""
    wheel = built_wheel(session)
    session.install(
        "--reinstall-package=dashscope-ftlogs", f"dashscope-ftlogs[{extra}] @ {wheel.as_uri()}"
    )
    run_tests(session, "-W", "error", "tests/each_extra.py", extra)


@nox.session(tags=LARGER)
def soak(session: nox.Session) -> None:
    """Hundreds of jobs, faults, kills, restarts: `nox -s soak -- MINUTES`, by default half of one."""
    install_wheel(session, "cli")
    session.run("python", "tests/soak/soak.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Look for inputs that break a promise: `nox -s fuzz -- SECONDS [--coverage-guided]`."""
    install_wheel(session, "cli")
    if "--coverage-guided" in session.posargs:
        session.install("atheris")
    session.run("python", "tests/fuzz/fuzz.py", *session.posargs)


@nox.session
def live(session: nox.Session) -> None:
    """The real service, if DASHSCOPE_API_KEY is set, and FTLOGS_LIVE_JOB or the newest job."""
    install_wheel(session, "cli")
    run_tests(session, "-m", "pytest", "-m", "live", "--live", "tests/live")


@nox.session
def mutation(session: nox.Session) -> None:
    """Change what matters most in all the ways there are, and tell which the tests did not notice.

    `nox -s mutation -- client/cursor client/wire`; by default all of it, which takes hours.
    """
    if unknown := sorted(set(session.posargs) - set(MUTATED)):
        session.error(f"no tests are named here for {', '.join(unknown)}, only for {', '.join(MUTATED)}")
    session.install(*groups("test"), "-e", ".[cli,object-store]", "cosmic-ray")
    # No single test takes a minute, unless a change makes it wait for ever.
    pytest = "python -m pytest -x -q -p no:cacheprovider --timeout=60"
    for module in session.posargs or MUTATED:
        folder = Path(session.create_tmp()) / module
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("dashscope_ftlogs", "tests", "docs"):
            shutil.copytree(HERE / part, folder / part)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(HERE / name, folder)
        held_by = " ".join(f"tests/{name}.py" for name in MUTATED[module].split())
        (folder / "cosmic-ray.toml").write_text(
            f'[cosmic-ray]\nmodule-path = "dashscope_ftlogs/{module}.py"\ntimeout = 900.0\n'
            f"test-command = \"{pytest} -m 'not long' {held_by}\"\n"
            'excluded-modules = []\n[cosmic-ray.distributor]\nname = "local"\n'
        )
        with session.chdir(folder):
            environ = {"PYTHONPATH": str(folder)}
            # Tests that fail anyway would notice every change.
            session.run("cosmic-ray", "baseline", "cosmic-ray.toml", env=environ)
            session.run("cosmic-ray", "init", "cosmic-ray.toml", "session.sqlite", env=environ)
            session.run("cosmic-ray", "exec", "cosmic-ray.toml", "session.sqlite", env=environ)
            session.run("cr-report", "--surviving-only", "--show-diff", "session.sqlite")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure all cases, or those that are named; `--quick` for a first impression."""
    install_wheel(session, "cli")
    session.install(*groups("bench"))
    session.run("python", "benchmarks", *session.posargs)
