"""The way to the service: through which proxy, who vouches for the other end, and the connections.

What decides is pure: `proxies` (what the settings mean) and `certificates` (what one says of itself).

May import: `checks`, `errors`, and from the client `redaction`, `exchange` and `settings`. Begin with
`proxies`.
"""
