"""How `ftlogs tail` prints: the last lines of logs, and those that come while their jobs run.

So `ftlogs plot -f` draws.

May import all of `cli` but its commands. Begin with `last_lines`, on which `following` builds.
"""
