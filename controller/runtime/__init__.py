"""The controller's I/O: loops, view builder, executor, agents, certificates. Decides nothing."""
