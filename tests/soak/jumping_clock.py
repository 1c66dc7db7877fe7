"""Runs `ftlogs` with a wall clock that jumps by days, forward and back, whenever it is read."""

import random
import time


def let_it_jump() -> None:
    real = time.time

    def jumping() -> float:
        return real() + random.uniform(-10, 10) * 86_400

    time.time = jumping


if __name__ == "__main__":
    let_it_jump()
    from dashscope_ftlogs.cli import main

    main()
