"""Logs on disk, resumable, provably complete."""
