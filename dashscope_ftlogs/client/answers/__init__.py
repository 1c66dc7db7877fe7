"""What answers say that is not as the service's page describes, and can be understood in one way only.

May import: `models`. Begin with `as_described`: `wire` asks it where the page's own form does not fit.
"""
