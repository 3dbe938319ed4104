"""Replays recorded memory curves against scheduler, kubelet and a policy, many seeds at a time."""
