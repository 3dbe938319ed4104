"""podferry-runc: holds and restores containers in runc's place. Runs alone, from the node's disk."""
