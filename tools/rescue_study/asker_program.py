"""Runs inside the lab's control box: asks every workload for its progress until its input closes.

Standard library only. Arguments: INTERVAL NAME=ADDRESS ... A line for each answer: unix time, name,
boot id, own running time [ms], MiB held; for a workload that does not answer: unix time, name, `!`.
"""

import os
import select
import socket
import sys
import time

PORT = 9000
PATIENCE_SECONDS = 0.3


def ask(address: str) -> str:
    """Return the answer, `!` where there is none in time."""
    try:
        with socket.create_connection((address, PORT), timeout=PATIENCE_SECONDS) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.sendall(b"progress\n")
            answer = connection.recv(200).decode().split()
    except OSError:
        return "!"
    return f"{answer[0]} {answer[2]} {answer[3]}" if len(answer) == 4 else "!"


def main(argv: list[str]) -> None:
    """Ask all in turn, again and again."""
    interval = float(argv[0])
    workloads = [each.partition("=") for each in argv[1:]]
    due = time.monotonic()
    while True:
        for name, _, address in workloads:
            sys.stdout.write(f"{time.time():.2f} {name} {ask(address)}\n")
        sys.stdout.flush()
        due = max(due + interval, time.monotonic())
        if select.select([0], [], [], max(0.0, due - time.monotonic()))[0] and not os.read(0, 1):
            return


if __name__ == "__main__":
    main(sys.argv[1:])
