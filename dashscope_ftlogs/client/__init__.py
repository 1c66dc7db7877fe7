"""Asking the service: one GET, paced, retried, turned into a value; pages read ahead, in order.

The only room that retries, and on the client's side the only one that speaks HTTP, in
`connection_owner`. Whatever runs for a caller is owned by `tasks`, and ends with the session. What
decides is pure: `wire` (what an answer means), `cursor` (what to ask next), `doubt` (what to believe),
`retry_on_429_and_5xx`, `redaction` and `config` wait for nothing. In `answers` is what the service's
page does not describe; in `pacing`, how many requests go, and how fast; in `exchange`, what is told of
one, and what its answer takes; in `network`, proxies, certificates and connections; in `settings`, files
of the user's; in `many_jobs`, what is done for many of them; in `callers_side`, where callers' code is
run.

May import: `checks`, `errors`, `models`, `text`. Begin with `service`: it is all that others ask for.
"""
