"""Runs inside a node of the lab: prints its memory once a second until standard input closes.

Standard library only. A line: unix time, what the node uses as kubelet counts it, what its pods
use, both [bytes]. The difference is kubelet, containerd, and criu while something is moved.
"""

import os
import select
import sys
import time

V1 = "/sys/fs/cgroup/memory"
ROOT = V1 if os.path.isdir(V1) else "/sys/fs/cgroup"
USAGE, IDLE = (
    ("memory.usage_in_bytes", "total_inactive_file")
    if ROOT == V1
    else ("memory.current", "inactive_file")
)


def working_set(folder: str) -> int:
    """What a cgroup uses, without file pages that nobody used lately."""
    with open(f"{folder}/{USAGE}") as file:
        used = int(file.read())
    with open(f"{folder}/memory.stat") as file:
        for line in file:
            name, _, value = line.partition(" ")
            if name == IDLE:
                used -= int(value)
    return max(0, used)


def main() -> None:
    """Print until standard input closes."""
    due = time.monotonic()
    while True:
        line = f"{time.time():.2f} {working_set(ROOT)} {working_set(ROOT + '/kubepods')}\n"
        sys.stdout.write(line)
        sys.stdout.flush()
        due = max(due + 1.0, time.monotonic())
        if select.select([0], [], [], max(0.0, due - time.monotonic()))[0] and not os.read(0, 1):
            return


if __name__ == "__main__":
    main()
