"""Faults from the command line: a tiny grammar for `Fault`."""

from dashscope_ftlogs.emulator.faults import Fault


def parse_fault(text: str) -> Fault:
    raise NotImplementedError
