"""Files by which agent and wrapper talk on one node. Paths only; no I/O.

Attempt folder: <state>/attempts/<uid>.<attempt>/
  source/  order.json observed.json FATE (sealed|thawed, O_EXCL) dump.pid dump.rc ram/
  target/  order.json observed.json criu.conf ram/
           restore.json  written by the agent: {"action": "hold|restore|refuse|plain",
                         "roles": [...], "containerID": whom a restore is for, "imagePath",
                         "workPath", "criuConfig", "lazy": bool, "spend": bool}
           claim-<role>.json  written by the wrapper under flock of claim-<role>.lock:
                         {"containerID", "podUID", "bundle", "wrapperPID", "bootID", "at",
                         "cgroup": [folder, is v2]}
           restored-<role>.json  written by the wrapper: {"containerID", "podUID", "initPID",
                         "seconds"}; failed-<role>.json: {"containerID", "reason", "message"}
           again.json    written by the wrapper before a plain create of a pod that was moved here
                         with PostCopy: {"containerID", "podUID", "wrapperPID", "bootID"}
           RESUMING, RESUMED, ABORTED: {"podUID", "containerID", "at"}, fsynced by the agent
  */ram/   a file system in memory: images/ streams/ work/ (criu's logs), and of a target
           manifest.json. images/SPENT, O_EXCL, by the wrapper: a restore with "spend" began, which
           takes the pages out of the images; a second one would read zeros and is refused
Rules of the wrapper for a container whose pod carries the restore annotation:
  RESUMED names this pod uid     -> plain create (a container restart after a move)
  ABORTED, or action refuse      -> exit 1, the reason on stderr and in runc's --log
  no attempt folder, action hold -> hold, at most CREATE_HOLD_SECONDS, then exit 1
  action restore, role allowed,
  containerID is this one        -> restore, leave it frozen, exit 0; SPENT exists: exit 1
Another container of that pod, unless RESUMED names the pod: one that `restore-anew` names is
created, and its `start` does nothing; every other one is given a program that ends at once.
Persistent: <state>/blocked/<pod uid>: no container of that pod is created any more. Written before
a source is frozen, removed by a thaw: kubelet would otherwise restart the killed source beside the
running target. It goes with the pod's folder.
Volatile: <run>/hold/<container id>: kill and delete of it answer 0 and do nothing (each call is
appended to the file); <run>/restored/<container id>: `start` answers 0 and does nothing;
<run>/hook/<container id>: {"containerID", "command", "record", "at": seconds since boot}, written
before restored-<role>.json: the first `exec` of just that command answers 0 and does nothing, notes
that in target/hook-<role>.json and removes the file (10 min after its writing the command runs);
<run>/deferred/<container id>: the same, and `start` moves it to <run>/waiting/: {"attempt",
"podUID"}; the agent starts it once RESUMED of that attempt names that pod;
<run>/criu/<container id>.conf: criu's options, written anew for each operation.
"""

from __future__ import annotations

from podferry.wire import names

RAM = "ram"
"""In the folder of a side: a file system in memory of its own, gone with the attempt."""

DEFERRED, WAITING = "deferred", "waiting"
"""In the volatile folder: containers whose `start` is to come, or was swallowed."""


def attempt_dir(migration: str, attempt: int, *, state: str = names.STATE_DIR) -> str:
    """Folder of one attempt."""
    return f"{state}/attempts/{migration}.{attempt}"


def side_dir(migration: str, attempt: int, role: str, *, state: str = names.STATE_DIR) -> str:
    """Folder of one side (`source` or `target`) of an attempt."""
    return f"{attempt_dir(migration, attempt, state=state)}/{role}"


def hold_file(container_id: str, *, run: str = names.RUN_DIR) -> str:
    """Marker: swallow kill and delete of this container."""
    return f"{run}/hold/{container_id}"


def block_file(pod_uid: str, *, state: str = names.STATE_DIR) -> str:
    """Marker: kubelet may create no container of this pod."""
    return f"{state}/blocked/{pod_uid}"


def hook_file(container_id: str, *, run: str = names.RUN_DIR) -> str:
    """Marker: kubelet has not asked for the postStart hook of this restored container yet."""
    return f"{run}/hook/{container_id}"


def restored_file(container_id: str, *, run: str = names.RUN_DIR) -> str:
    """Marker: this container was restored, `start` is a no-op once."""
    return f"{run}/restored/{container_id}"
