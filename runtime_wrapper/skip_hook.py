"""podferry-runc, `exec` in a restored container whose postStart hook kubelet has not asked for yet.

Started by podferry-runc.sh with `python3 -I -S`; standard library only, one file, Python >= 3.9.
The hook ran when the workload started, on another node; kubelet asks for it again, right after the
start of the restored container and before any other exec. Owns: answering that one call with
success and nothing done. Never does: answer any other call; those go on to the real runc.
The file that arms it is described in podferry/wire/layout.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import Any, NoReturn

ARMED_SECONDS = 600
"""A kubelet that was killed between start and hook never asks for it. Later than this the same
command is somebody else's."""


def main(argv: list[str]) -> int:
    """Answer the hook, or become the real runc. `argv`: the arming file, then runc's own words."""
    armed, call = argv[0], argv[1:]
    pid_file = value(call, "--pid-file")
    order = is_hook(armed, call)
    if order is None or not pid_file or "--console-socket" in call:
        plain(call)
    return 0 if skip(armed, order, pid_file) else plain(call)


def plain(call: list[str]) -> NoReturn:
    """Become the real runc."""
    runc = os.environ.get("PODFERRY_RUNC") or "runc"
    os.execvp(runc, [runc, *call])  # noqa: S606 - runc's own words, no shell


def value(call: list[str], flag: str) -> str:
    """What follows a flag, empty if it is not there."""
    for word, after in zip(call, [*call[1:], ""]):  # noqa: B905 - Python 3.9
        if word == flag:
            return after
        if word.startswith(flag + "="):
            return word.partition("=")[2]
    return ""


def is_hook(armed: str, call: list[str]) -> dict[str, Any] | None:
    """The order that this call answers to; None if it is no such call, or no order is left."""
    try:
        with open(armed) as source:
            order: dict[str, Any] = json.load(source)
        with open(value(call, "--process")) as source:
            asked = json.load(source).get("args")
    except (OSError, ValueError, AttributeError):
        return None
    if time.clock_gettime(time.CLOCK_BOOTTIME) - float(order["at"]) > ARMED_SECONDS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(armed)
        return None
    return order if asked == order["command"] else None


def skip(armed: str, order: dict[str, Any], pid_file: str) -> bool:
    """Give containerd a process that ends with success. False if another call had the answer.

    containerd waits for the process that the pid file names, as a child of its shim, which an
    orphan of ours becomes. The arming file goes last: the agent takes that as kubelet's answer.
    """
    hold, alarm = os.pipe()
    child = os.fork()
    if not child:
        os.close(alarm)
        os.read(hold, 1)  # until we are gone
        os._exit(0)
    os.close(hold)
    with open(pid_file + ".tmp", "w") as out:
        out.write(str(child))
    os.replace(pid_file + ".tmp", pid_file)
    with contextlib.suppress(OSError):  # a full disk: the record is for people
        record(order)
    try:
        os.unlink(armed)
    except FileNotFoundError:
        os.close(alarm)
        os.waitpid(child, 0)
        return False
    return True


def record(order: dict[str, Any]) -> None:
    """Note it with the attempt."""
    place = str(order["record"])
    with open(place + ".tmp", "w") as out:
        json.dump({"containerID": order["containerID"], "command": order["command"],
                   "at": time.time()}, out)  # fmt: skip
    os.replace(place + ".tmp", place)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
