"""Archives on object storage: a chain of numbered commits for each log, and the objects that they name.

May import of its own room: `manifest`, `outcomes`, `store`, `threads`, `when_a_log_is_complete`. What
computes stands in `commits`, `contents`, `settings` and `url`; `bucket` alone calls the library that
speaks to object storage. Begin with `commits`.
"""
