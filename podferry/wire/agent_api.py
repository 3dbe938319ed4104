"""HTTP paths of the agent. All need a client certificate of this cluster's authority.

PUT  /v1/attempts/{uid}/{attempt}/{role}?wait=S   Order -> Observed   controller only
GET  /v1/attempts/{uid}/{attempt}/{role}           -> Observed
PUT  /v1/attempts/{uid}/{attempt}/files/{kind}/{name}  tar stream   peer agent only;
     kind: images | rootfs | volume | shm; 409 once the target is rehearsed. images/expect comes
     before the freeze (one JSON file, {"bytes", "fileBytes"}: memory and files to take room for;
     500 TargetShortOfMemory if there is none), images/manifest last
POST /v1/probe   {"podUID", "container", "containerID"} -> Probe      controller
GET  /v1/node                                      -> Node facts      controller
GET  /v1/memory                                    -> Report          controller; wire/memory.py
Errors: {"reason", "message"} with 400, 403, 404, 409, 500, or 503 for memory without a sample.

Node facts: node, bootID, agentVersion, protocol, protocolOldest, draining, criuVersion,
runcVersion, containerdVersion, kernel, cgroup ("v1"|"v2"), cpuFeatures [..], softDirty,
userfaultfd, timeNamespaces, criuTLS, freezeInRestore, handlerInstalled, pagePorts, problems [..].
The facts of every side have agentVersion, protocol, protocolOldest and draining too.
Probe: ok, blockers [{"reason", "message"}], residentBytes, shmemBytes, fileBytes (writable
layer, emptyDirs and /dev/shm), tcpConnections, processes, cgroup, openFiles.
"""

from __future__ import annotations

PROTOCOL = 1
"""What this build speaks: these paths, `wire.stages`, and the files of an attempt on a node that an
agent finds when it starts. Raised by one with every change that an older build would misread."""
PROTOCOL_OLDEST = 1
"""The oldest that this build still speaks: PROTOCOL - 1 or less, see docs/decisions/0009."""
TIME_HEADER = "Podferry-Time"
"""In every answer: the agent's wall clock [unix s] when the answer was made."""
SEAL = "Podferry-Seal"
"""Header of an order: key of the attempt's seal, 64 hexadecimal digits, never kept on a disk."""
NODE = "/v1/node"
PROBE = "/v1/probe"


def attempt(migration: str, number: int, role: str) -> str:
    """Path of one side of an attempt."""
    return f"/v1/attempts/{migration}/{number}/{role}"


def files(migration: str, number: int, kind: str, name: str) -> str:
    """Path that takes one tar stream at the target."""
    return f"/v1/attempts/{migration}/{number}/files/{kind}/{name}"
