"""Replays recorded memory curves against scheduler, kubelet and a policy, many seeds at a time."""

from podferry.simulator.engine import run
from podferry.simulator.layout import Prepared, prepare

__all__ = ["Prepared", "prepare", "run"]
