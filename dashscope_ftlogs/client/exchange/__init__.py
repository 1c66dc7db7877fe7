"""One exchange with the service, around HTTP itself: what is told of it, and what it takes in memory.

May import: `errors`. Begin with `request_events`: what applications count and time.
"""
