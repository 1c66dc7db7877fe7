"""Points, tables, curves, comparison."""
