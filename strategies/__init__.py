"""How a workload is moved: for each strategy its checks and its estimate. Pure, no I/O."""
