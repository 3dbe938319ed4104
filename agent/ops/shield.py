"""An nftables table in a pod's network namespace that keeps packets out while tasks are frozen.

Without it the kernel answers for a socket that does not exist (yet) and resets live connections.
Owns the table `inet podferry` and the removal of tables that a killed criu left (`CRIU-*`).
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from podferry.agent.ops.host import Host
from podferry.wire import names

TABLE = "podferry"
_DRAIN_SECONDS = 0.2
_POLL_SECONDS = 0.005
_IN = "  chain in {\n    type filter hook input priority -400;\n"
_SYN = "tcp flags & (syn|ack|rst) == syn drop\n"
_OUT = "  chain out {\n    type filter hook output priority -400;\n"


class ShieldFailed(Exception):
    """nft refused; its own words."""


def rules(mode: str) -> str:
    """One transaction that puts the table up in one of three modes.

    `syn` drops new connections only; `full` everything but criu's own packets; `reset` is full, but
    lets resets out, so that peers learn of the end of their connections at once. Loopback stays
    open but for new connections: a pod's own processes are frozen together, yet the kernel sends
    their SYN again, and criu cannot dump a connection that nobody accepted.
    """
    head = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    chains = f"{_IN}    {_SYN}  }}\n" if mode == "syn" else guard(resets=mode == "reset")
    return f"{head}table inet {TABLE} {{\n{chains}}}\n"


def guard(*, resets: bool, refuse: bool = False) -> str:
    """Two chains that let nothing in or out but criu's packets, resets if wanted, and over loopback
    all but new connections.

    `refuse` answers TCP with a reset instead of silence.
    """
    mark = f"    meta mark {names.CRIU_MARK:#x} accept\n"
    rst = "    tcp flags & rst == rst accept\n" if resets else ""
    refusal = "    meta l4proto tcp reject with tcp reset\n" if refuse else ""
    return (
        f'{_IN}    iif "lo" {_SYN}    iif "lo" accept\n{mark}{refusal}    drop\n  }}\n'
        f'{_OUT}    oif "lo" accept\n{mark}{rst}    drop\n  }}\n'
    )


def raise_shield(host: Host, netns: str, mode: str = "full") -> None:
    """Put the shield up, or change its mode, in one transaction. Raises ShieldFailed."""
    done = host.run(_in(netns, "nft", "-f", "-"), stdin=rules(mode), timeout=10)
    if done.returncode:
        raise ShieldFailed(f"nft in {netns}: {done.stderr.strip()}; is nftables on this node?")


def lower_shield(host: Host, netns: str) -> None:
    """Take the shield and any table that criu left away. A namespace that is gone is fine."""
    if not Path(host.path(netns)).exists():
        return
    listed = host.run(_in(netns, "nft", "list", "tables"), timeout=10).stdout.splitlines()
    gone = []
    for line in listed:
        family, _, table = line.removeprefix("table ").partition(" ")
        if table == TABLE or table.startswith("CRIU-"):
            gone.append(f"delete table {family} {table}\n")
    if gone:
        done = host.run(_in(netns, "nft", "-f", "-"), stdin="".join(gone), timeout=10)
        if done.returncode:
            raise ShieldFailed(f"nft in {netns}: {done.stderr.strip()}")


def drain(pid: int) -> bool:
    """Wait up to 200 ms until no connection waits to be accepted. True when none does.

    criu cannot dump a connection that sits in the accept queue.
    """
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        if not waiting(Path(f"/proc/{pid}/net")):
            return True
        time.sleep(_POLL_SECONDS)
    return False


def waiting(net: Path) -> int:
    """Connections in SYN_RECV or in the queue of a listening socket, from <net>/tcp and tcp6."""
    count = 0
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (net / name).read_text().splitlines()[1:]:
                fields = line.split()
                state, queues = fields[3], fields[4]
                if state == "03":
                    count += 1
                elif state == "0A":
                    count += int(queues.partition(":")[2], 16)
    return count


def _in(netns: str, *argv: str) -> list[str]:
    return ["nsenter", f"--net={netns}", "--", *argv]
