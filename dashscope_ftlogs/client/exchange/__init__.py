"""One exchange with the service, around HTTP itself: what is told of it, what it takes, odd answers.

May import: `errors`, `models`. Begin with `request_events`: what applications count and time.
"""
