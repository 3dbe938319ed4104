"""Faults in virtual time: the real core, agent rules and wrapper decisions on fake nodes.

Every run is decided by its seed. `python -m tools.chaos --help`.
"""
