"""The lab's network namespaces and the cables between them, as lists of commands.

Everything hangs on a bridge in the control box's namespace; the machine's own network is never
touched. Pure: the commands are run elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from podferry.lab.cluster import model
from podferry.lab.cluster.model import Lab, Node

Command = list[str]


def create(lab: Lab, nodes: Sequence[Node]) -> list[Command]:
    """Commands that make the whole network, in order."""
    control = lab.netns(model.CONTROL)
    commands = [
        ["ip", "netns", "add", control],
        ["ip", "-n", control, "link", "set", "lo", "up"],
        ["ip", "-n", control, "link", "add", model.BRIDGE, "type", "bridge"],
        ["ip", "-n", control, "addr", "add", f"{model.CONTROL_IP}/24", "dev", model.BRIDGE],
        ["ip", "-n", control, "link", "set", model.BRIDGE, "up"],
        # ClusterIPs need some route before kube-proxy's rules turn them into pod addresses
        [
            *["ip", "-n", control, "route", "add", model.SERVICE_CIDR],
            *["dev", model.BRIDGE, "src", model.CONTROL_IP],
        ],
        _forwarding(control),
    ]
    for node in nodes:
        commands += _node(lab, node, nodes)
    return commands


def _node(lab: Lab, node: Node, nodes: Sequence[Node]) -> list[Command]:
    control, own = lab.netns(model.CONTROL), lab.netns(node.name)
    routes = [
        ["ip", "-n", own, "route", "add", other.pod_cidr, "via", other.ip]
        for other in nodes
        if other != node
    ]
    return [
        ["ip", "netns", "add", own],
        ["ip", "-n", own, "link", "set", "lo", "up"],
        [
            *["ip", "-n", control, "link", "add", node.link],
            *["type", "veth", "peer", "name", "eth0", "netns", own],
        ],
        ["ip", "-n", control, "link", "set", node.link, "master", model.BRIDGE, "up"],
        ["ip", "-n", own, "addr", "add", f"{node.ip}/24", "dev", "eth0"],
        ["ip", "-n", own, "link", "set", "eth0", "up"],
        ["ip", "-n", own, "route", "add", "default", "via", model.CONTROL_IP],
        *routes,
        ["ip", "-n", control, "route", "add", node.pod_cidr, "via", node.ip],
        _forwarding(own),
    ]


def _forwarding(netns: str) -> Command:
    return ["ip", "netns", "exec", netns, "sysctl", "-qw", "net.ipv4.ip_forward=1"]
