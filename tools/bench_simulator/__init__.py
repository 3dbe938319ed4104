"""`python -m tools.bench_simulator`: how fast the simulator is, beside plain Python in one run."""
