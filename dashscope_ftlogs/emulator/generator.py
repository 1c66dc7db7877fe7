"""placeholder"""

from dashscope_ftlogs.emulator.jobs import EmulatedJob


def generate_job(kind: str = "sft", **kw: object) -> EmulatedJob:
    raise NotImplementedError
