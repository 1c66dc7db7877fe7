"""An emulator in a process of its own, to be killed: `server.py PORT AGE [TOTAL]`.

With a total, the jobs that run have ended with so many lines.
"""

import asyncio
import sys

from logs import LENGTHS, RUNNING, Log, Times

from dashscope_ftlogs.emulator import Drip, EmulatedJob, Emulator, Fault, Schedule, ten_ways_to_fail

LONGEST = 10**6


async def serve(port: int, age: float, total: int | None) -> None:
    jobs = [EmulatedJob(job_id, Log(job_id, length)) for job_id, length in LENGTHS.items()]
    for job_id in RUNNING:
        if total is None:
            schedule = Schedule(Times(age, LONGEST))
            jobs.append(EmulatedJob(job_id, Log(job_id, LONGEST), status="RUNNING", schedule=schedule))
        else:
            jobs.append(EmulatedJob(job_id, Log(job_id, total)))
    faults = [*ten_ways_to_fail(0.03), Fault(Drip(2_000), probability=0.01)]
    faults += [Fault(fault.reply, probability=0.01, endpoint="any") for fault in ten_ways_to_fail(0.05)]
    options = {"port": port, "faults": faults, "seed": int(age * 1000), "page_cap": 700, "ragged": 0.1}
    async with Emulator(jobs, latency=(0, 0.02), **options) as emulator:  # type: ignore[arg-type]
        print(emulator.base_url, emulator.api_key, flush=True)
        while True:
            await asyncio.sleep(0.5)
            emulator.journal.clear()


if __name__ == "__main__":
    port, age, *total = sys.argv[1:]
    asyncio.run(serve(int(port), float(age), int(total[0]) if total else None))
