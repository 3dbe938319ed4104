"""The simulator once more in plain Python: every second, every pod, every look. Slow on purpose."""
