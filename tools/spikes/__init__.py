"""Repeatable measurements behind docs/decisions. They need a running lab and decide nothing."""
