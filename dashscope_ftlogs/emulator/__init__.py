"""A local Model Studio, for tests and for trying things out without a key.

It shares no code with the client on purpose: a mistake would have to be made twice to go unseen.

    async with Emulator([EmulatedJob("ft-1", ["one line", "another"])]) as emulator:
        ...  # a client that gets emulator.base_url and emulator.api_key

`with Emulator(...)` does the same for code that is not asyncio's; pytest has it as a fixture, see
`dashscope_ftlogs.pytest_plugin`.

May import nothing else of this package. Begin with `server`.
"""

from dashscope_ftlogs.emulator.checkpoints import EmulatedCheckpoint
from dashscope_ftlogs.emulator.fault_grammar import parse_fault
from dashscope_ftlogs.emulator.fault_rules import Fault, ten_ways_to_fail
from dashscope_ftlogs.emulator.faulty_answers import (
    BadJson,
    Body,
    Bomb,
    Close,
    CutBody,
    Drip,
    EmptyPage,
    Endless,
    Html,
    OkWithCode,
    Redirect,
    Refuse,
    Reply,
    ReportTotal,
    Reset,
    ShortPage,
    Stall,
)
from dashscope_ftlogs.emulator.job_generator import generate_job
from dashscope_ftlogs.emulator.jobs import EmulatedJob, Schedule
from dashscope_ftlogs.emulator.jobs_from_files import job_from_file, jobs_from_folder
from dashscope_ftlogs.emulator.machines import Machine
from dashscope_ftlogs.emulator.rate_limit import RateLimit
from dashscope_ftlogs.emulator.request_journal import Exchange
from dashscope_ftlogs.emulator.server import Emulator

__all__ = [
    "BadJson",
    "Body",
    "Bomb",
    "Close",
    "CutBody",
    "Drip",
    "EmptyPage",
    "EmulatedCheckpoint",
    "EmulatedJob",
    "Emulator",
    "Endless",
    "Exchange",
    "Fault",
    "Html",
    "Machine",
    "OkWithCode",
    "RateLimit",
    "Redirect",
    "Refuse",
    "Reply",
    "ReportTotal",
    "Reset",
    "Schedule",
    "ShortPage",
    "Stall",
    "generate_job",
    "job_from_file",
    "jobs_from_folder",
    "parse_fault",
    "ten_ways_to_fail",
]
