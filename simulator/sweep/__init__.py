"""Many cells, many seeds: what to run, running it, keeping it, summing it up."""
