"""The bench's client: a new TCP connection per sample, none of which waits for another.

Runs inside the lab as a program of its own (standard library only): ADDRESS PORT INTERVAL PATIENCE,
both in seconds. Prints `BEGIN END BOOT` for an answered sample and `BEGIN END !reason` for another,
times of CLOCK_MONOTONIC; ends when its standard input closes.
"""

import contextlib
import os
import selectors
import socket
import sys
import time
from collections import deque


class Sample:
    """One connection: connecting, then asked, then over."""

    __slots__ = ("begin", "over", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.begin, self.over = time.monotonic(), False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)


class Client:
    """Samples under way, oldest first."""

    def __init__(self, address: tuple[str, int], patience: float) -> None:
        self._address, self._patience = address, patience
        self._selector = selectors.DefaultSelector()
        self._selector.register(0, selectors.EVENT_READ, None)
        self._under_way: deque[Sample] = deque()
        self._lines: list[str] = []

    def begin(self) -> None:
        """Start one sample."""
        sample = Sample(self._address)
        self._selector.register(sample.socket, selectors.EVENT_WRITE, sample)
        self._under_way.append(sample)

    def work(self, until: float) -> bool:
        """Serve the samples until that time; False once standard input is closed."""
        while (wait := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    if not os.read(0, 1):
                        return False
                else:
                    self._serve(key.data, key.events)
            self._give_up()
        self._give_up()
        return True

    def flush(self) -> None:
        """Print what has ended since."""
        if self._lines:
            os.write(1, "".join(self._lines).encode())
            self._lines.clear()

    def _serve(self, sample: Sample, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                sample.socket.send(b"count\n")  # raises what the connect ended with
                self._selector.modify(sample.socket, selectors.EVENT_READ, sample)
                return
            answer = sample.socket.recv(200)
            self._end(sample, answer.decode().split()[0] if answer else "!closed")
        except OSError as error:
            self._end(sample, f"!{type(error).__name__}")

    def _give_up(self) -> None:
        now = time.monotonic()
        while self._under_way:
            oldest = self._under_way[0]
            if not oldest.over:
                if now - oldest.begin < self._patience:
                    return
                self._end(oldest, "!late")
            self._under_way.popleft()

    def _end(self, sample: Sample, word: str) -> None:
        self._selector.unregister(sample.socket)
        sample.socket.close()
        sample.over = True
        self._lines.append(f"{sample.begin:.6f} {time.monotonic():.6f} {word}\n")


def main(argv: list[str]) -> None:
    """Sample until standard input closes."""
    with contextlib.suppress(PermissionError):
        os.nice(-15)  # an instrument that is not scheduled measures itself
    interval = float(argv[2])
    client = Client((argv[0], int(argv[1])), float(argv[3]))
    due = time.monotonic()
    goes_on = True
    while goes_on:
        client.begin()
        due = max(due + interval, time.monotonic())
        goes_on = client.work(due)
        client.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
