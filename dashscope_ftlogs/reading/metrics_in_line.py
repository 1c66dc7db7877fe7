"""What metrics are, in whatever form a line holds them; `forms` has how each is read."""

from collections.abc import Mapping

MetricValues = Mapping[str, float | str]
"""What a metric dict holds. A number that was quoted is a number; what is none stays text."""
