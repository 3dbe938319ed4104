"""podferry-runc: holds and restores containers in runc's place; runs from the node's disk."""
