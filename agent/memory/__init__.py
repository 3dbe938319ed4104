"""How much memory this node and its pods use, sampled; see docs/reference/memory-report.md."""
