"""What touches tasks, cgroups and packets of a node: each function one act, all synchronous."""
