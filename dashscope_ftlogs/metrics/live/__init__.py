"""What is known of a log while it is written: its points so far, and the conditions they meet.

Pure, as all of `metrics`. Begin with `live_points`.
"""
