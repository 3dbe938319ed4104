"""From the resume on, a new connection to the source's pod is answered by the target's process."""

from __future__ import annotations

import subprocess
from datetime import datetime

import pytest

from tests.lab.cluster import PODFERRY_LAB
from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

# A new connection for each number, to one address. Some stay open; how they end is told at the end.
# A request that was sent is waited for, so that no number is given to nobody.
CLIENT = """
import select, socket, sys, time
kept = []
while not select.select([0], [], [], 0.005)[0]:
    try:
        one = socket.create_connection((sys.argv[1], 9000), timeout=0.2)
        one.settimeout(60)
        one.sendall(b"count\\n")
        answer = one.recv(200).decode().split()
    except OSError:
        continue
    at = time.time()
    print("answer", at, answer[0], answer[2], flush=True)
    if not kept or at - kept[-1][0] > 0.2:
        kept.append((at, one))
    else:
        one.close()
for at, one in kept:
    one.settimeout(10)
    try:
        print("kept", at, "closed" if not one.recv(1) else "data")
    except OSError as error:
        print("kept", at, type(error).__name__)
"""


@pytest.mark.parametrize("copy", ["StopAndCopy", "PostCopy"])
def test_the_source_s_address_is_answered_by_the_target_until_its_pod_is_gone(
    moves: Moves, copy: str
) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    client = subprocess.Popen(
        [*PODFERRY_LAB, "exec", "--name", moves.cluster.name, "control", "--",
         "python3", "-I", "-c", CLIENT, pod["status"]["podIP"]],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stdout is not None
    before = client.stdout.readline()
    status = moves.migrate("Deployment", "w", "m", copy=copy)
    assert status["phase"] == "Succeeded", status
    assert client.stdin is not None
    client.stdin.close()
    lines = [line.split() for line in [before, *client.stdout]]
    assert client.wait() == 0
    answers = [(float(at), boot, int(number)) for word, at, boot, number in _of("answer", lines)]
    # The source was frozen from before the decision to its end, so these are the target's.
    decided = datetime.fromisoformat(status["decidedAt"]).timestamp()
    assert any(at < decided for at, _, _ in answers)
    assert any(at > decided for at, _, _ in answers)
    assert {boot for _, boot, _ in answers} == {answers[0][1]}
    numbers = [number for _, _, number in answers]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert moves.answer(moves.pod("w")).number == numbers[-1] + 1
    kept = [(float(at), end) for _, at, end in _of("kept", lines)]
    assert any(at > decided for at, _ in kept)
    others = [(at - decided, end) for at, end in kept if end != "ConnectionResetError"]
    assert others == [], (others, answers[-1][0] - decided, status["conditions"])


def _of(word: str, lines: list[list[str]]) -> list[list[str]]:
    return [line for line in lines if line[0] == word]
