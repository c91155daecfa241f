"""One file a system: each holds its scripted model and its loop, set up as its own documents show.

A module has `blocking(steps)`, `awaited(steps)` or both. Either makes an agent once; what it returns has one
conversation with it, and the answer comes back. Only that is timed, and the replies are made before it.
"""
