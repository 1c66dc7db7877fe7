"""Where a caller's own code and a session meet: what is driven for it, what it raises, how it leaves.

May import nothing else of this package. Begin with `driven_iterators`: what callers' code may wait for.
"""
