"""Live jobs until they end."""
