"""What the memory samples of an agent cost; see docs/reference/benchmarks-agent-memory.md."""
