"""Which node runs out of memory, whom to move where, and whether now: pure rules by name.

The controller and the simulator call the same functions. Nothing here reads a clock, a file or the
API server; randomness and time are passed in.
"""
