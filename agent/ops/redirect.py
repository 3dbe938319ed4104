"""Forwarding of new connections from a frozen, committed source's pod to the target's pod.

The source's pod stays an endpoint until kubelet and kube-proxy know of the target. Its network
namespace hands what arrives on to the target under its own address, so nothing outside of the
namespace changes, whatever the CNI plug-in. Owns the rules in the shield's table for that time;
they end with the pod's namespace. Never decides when. IPv4 only.
"""

from __future__ import annotations

import ipaddress

from podferry.agent.ops.host import Host
from podferry.agent.ops.shield import TABLE, guard

SCRIPT = r"""
ip -o -4 address show | grep -qF " $1/" || { echo "it does not have the address $1" >&2; exit 3; }
nft -f - && echo 1 > /proc/sys/net/ipv4/ip_forward
"""
"""The namespace is named by a process, whose number may be another's by now: the address of the
source's pod ($1) proves that it is still the same."""


class CannotForward(Exception):
    """This target cannot be forwarded to; the text says why."""


def rules(address: str, seconds: float | None = None) -> str:
    """One transaction that replaces the shield: forward to `address`, nothing gets in or out.

    `seconds`: take new connections for that long and refuse them afterwards; what was taken goes
    on. The kernel counts, so no agent is needed for it. None: without an end.

    The address is changed before routing, so a listener that is frozen never sees a connection.
    Packets of older connections are picked up as new ones and are reset by the target, which does
    not know them. What is left for this namespace itself is dropped; resets get out.
    """
    which, limit = "{ tcp, udp }", ""
    if seconds is not None:
        end = f"timeout {round(seconds * 1000)}ms"
        which = "@handed_on"
        limit = (
            "  set handed_on {\n    type inet_proto\n    flags timeout\n"
            f"    elements = {{ tcp {end}, udp {end} }}\n  }}\n"
        )
    chains = limit + guard(resets=True, refuse=seconds is not None)
    return (
        f"table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{chains}"
        "  chain hand_on {\n    type nat hook prerouting priority -100;\n"
        '    iif "lo" return\n'
        f"    meta pkttype host meta l4proto {which} dnat ip to {address}\n  }}\n"
        "  chain own_address {\n    type nat hook postrouting priority 100;\n"
        "    ct status dnat masquerade\n  }\n}\n"
    )


def forward(host: Host, netns: str, own: str, address: str, seconds: float | None = None) -> None:
    """Put the rules up and let the namespace forward; again is the same as once.

    `own` is the address of the source's pod, `address` that of the target's; for `seconds` see
    `rules`.

    Raises:
        CannotForward: an address is not IPv4, the namespace is not the source pod's, or nft
            refused; the rules that were there stand.
    """
    try:
        ends = ipaddress.IPv4Address(own), ipaddress.IPv4Address(address)
    except ValueError:
        told = f"the pods have {own!r} and {address!r}"
        raise CannotForward(f"only IPv4 is forwarded; {told}") from None
    argv = ["nsenter", f"--net={netns}", "--", "sh", "-c", SCRIPT, "podferry", str(ends[0])]
    done = host.run(argv, stdin=rules(str(ends[1]), seconds), timeout=10)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise CannotForward(f"{netns}: {why}")


def address_of(host: Host, netns: str) -> str:
    """The pod's IPv4 address in its namespace (containerd names the interface eth0), or empty."""
    argv = ["nsenter", f"--net={netns}", "--", "ip", "-o", "-4", "address", "show", "dev", "eth0"]
    words = host.run(argv, timeout=5).stdout.split()
    return words[words.index("inet") + 1].partition("/")[0] if "inet" in words else ""
