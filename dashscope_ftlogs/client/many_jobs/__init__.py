"""Many jobs: the list of them, and something to do for each of them, a few at a time.

May import: `checks`, `errors`, `models`, and what of the client is about one job. Begin with
`fetch_many`.
"""
