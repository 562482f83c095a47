"""How fast, as a ratio to a limit or a rival in the same minutes on the same machine.

`python -m tests.benchmarks append|read|command|http|…`. Nothing here is a test: a missed target
is a figure.
"""
