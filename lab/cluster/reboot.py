"""A node of a running lab goes down without a word and comes up again, as after a power cut.

Every process of the node ends at once, also frozen ones; its disk stays, its /run and its pods'
network namespaces do not, and its boot id is another one. The rest of the lab goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from podferry.lab.cluster import box, cgroups, machine, model, proc
from podferry.lab.cluster.cgroups import Layout
from podferry.lab.cluster.model import Lab
from podferry.lab.cluster.state import State, locked, node_named, running


def power_off(lab: Lab, node: str) -> None:
    """End everything in a node. Raises LabError for an unknown node; off already is fine."""
    with _of_node(lab, node) as (state, layout):
        state.processes[node].kill()
        groups = cgroups.folders(layout, lab.box_cgroup(node))
        proc.end_groups(groups)
        proc.remove_groups(groups)


def power_on(lab: Lab, node: str) -> None:
    """Start a node that is off; one that runs is left alone. Raises LabError."""
    with _of_node(lab, node) as (state, layout):
        if state.processes[node].alive():
            return
        box.make_groups(lab, node, layout, state.node_memory)
        state.processes[node] = box.start(lab, node, layout, state=state)
        state.save(lab)


@contextmanager
def _of_node(lab: Lab, node: str) -> Iterator[tuple[State, Layout]]:
    machine.check_root()
    with locked(lab):
        state = running(lab)
        node_named(model.nodes(state.node_count), node)
        yield state, machine.layout()
