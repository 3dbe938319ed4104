"""The demo's client: asks the service for the next number, with a new connection for each request.

Runs inside the cluster's network as a program of its own, so it uses the standard library only.
It prints a record per request (see `records`) and ends when its standard input closes. It never
asks twice for one number: a request that was sent is waited for until its connection ends.

Arguments: ADDRESS PORT count INTERVAL_SECONDS, or ADDRESS PORT sum.
"""

import os
import select
import socket
import sys
import time

CONNECT_SECONDS = 0.02
"""A connection that is not made by then is tried anew: a frozen pod answers no handshake, and the
kernel itself would try again only after a second."""
ANSWER_SECONDS = 30.0


def ask(address: tuple[str, int], word: str, connect_seconds: float) -> str:
    """Return the answer to one request; OSError where there is none."""
    with socket.create_connection(address, timeout=connect_seconds) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(f"{word}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            part = connection.recv(200)
            if not part:
                raise ConnectionResetError("the connection ended without an answer")
            answer += part
    return answer.decode().strip()


def count(address: tuple[str, int], interval: float) -> None:
    """Print a record per request, `interval` seconds apart, until standard input closes."""
    due = time.monotonic()
    while True:
        try:
            text = ask(address, "count", CONNECT_SECONDS)
            line = f"{time.monotonic():.6f} {text}\n"
        except OSError as error:
            line = f"{time.monotonic():.6f} ! {error}\n"
        os.write(1, line.encode())
        due = max(due + interval, time.monotonic())
        wait = due - time.monotonic()
        if select.select([0], [], [], max(0.0, wait))[0] and not os.read(0, 1):
            return


def main(argv: list[str]) -> None:
    """Do what the arguments say."""
    address = (argv[0], int(argv[1]))
    if argv[2] == "sum":
        sys.stdout.write(ask(address, "sum", ANSWER_SECONDS) + "\n")
    else:
        count(address, float(argv[3]))


if __name__ == "__main__":
    main(sys.argv[1:])
