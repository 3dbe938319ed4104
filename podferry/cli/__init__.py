"""The command line, the demo and the checker of what a client saw. May import every other part."""
