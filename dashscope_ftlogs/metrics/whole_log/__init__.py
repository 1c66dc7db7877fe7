"""What is known of a log once it has ended: which of its records tell a point, and where that stands.

Begin with `point_reader`.
"""
