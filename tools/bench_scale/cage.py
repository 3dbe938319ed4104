"""The namespaces of the measurement: own network, processes and mounts, and nothing else of it.

Owns going in. The kernel ends everything inside with the first process inside, and that one with
ours, so that a killed measurement leaves no process, no address and no file.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path("/mnt")
"""A tmpfs inside; an empty folder of every Debian outside, and untouched there."""
CONTROL_IP = "192.0.2.1"
"""For the API server to advertise: it refuses to advertise a loopback address."""


def run_inside(arguments: list[str]) -> bytes:
    """Run this package with `arguments` inside; return what it wrote to standard output.

    Raises:
        SystemExit: not root, or the part inside failed; it has said why on standard error.
    """
    if os.geteuid() != 0:
        raise SystemExit("this makes namespaces and mounts: run it as root")
    own = [sys.executable, "-m", "tools.bench_scale", *arguments]
    enter = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", *enter, *own],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def furnish() -> None:
    """Give the fresh namespaces a loopback interface and a folder. Inside only."""
    if os.getpid() != 1:
        raise SystemExit("not inside: this would change the machine's own network")
    for argv in (
        ["mount", "-t", "tmpfs", "-o", "mode=755,size=8G", "bench-scale", str(FOLDER)],
        ["ip", "link", "set", "lo", "up"],
        ["ip", "address", "add", f"{CONTROL_IP}/32", "dev", "lo"],
    ):
        subprocess.run(argv, check=True)
