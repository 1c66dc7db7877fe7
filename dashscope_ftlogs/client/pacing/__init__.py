"""How many requests are under way at once, and how many are sent in a second: given, or learned.

A refusal (429) speaks of the rate only; latency, what comes in, and time-outs speak of how many at once.

Imports nothing of the package. Begin with `request_gate`.
"""
