"""Measures when it pays to freeze a growing workload first, in the lab."""
