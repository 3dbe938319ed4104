"""Whether somebody vouched that a node is off for good. Pure."""

from __future__ import annotations

from podferry.controller.core.view import NodeView

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""Set by a person or the cloud controller on a node that is shut down and stays so."""


def is_fenced(node: NodeView) -> bool:
    """Whether a person or the cloud said that this node is off and stays so."""
    return any(taint.get("key") == OUT_OF_SERVICE for taint in node.taints)
