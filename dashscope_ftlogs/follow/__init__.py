"""Live jobs until they end: when to look again, which lines are new, what to tell of the rest.

May import: `client`, `checks`, `errors`, `models`, `text`. Begin with `follower`, which has one
`live_log` for each job; `when_to_poll` decides when a log is read again, `late_lines` when it is over.
`running_jobs` finds jobs to follow.
"""
