"""Asking the service: one GET, paced, retried, turned into a value."""
