"""How fast, as a ratio to what the bare driver does in the same minutes on the same machine.

`python -m tests.benchmarks append|rehydrate|read|command`. Nothing here is a test: a missed target
is a figure.
"""
