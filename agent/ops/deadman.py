"""The dead-man: thaws a frozen source that nobody sealed in time, also without an agent.

Owns arming and disarming it. It is a process of the node, outside the agent's cgroup, which acts
only by winning FATE: a sealed source is never touched by it. Its clock is /proc/uptime, which
is CLOCK_BOOTTIME.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from podferry.agent.ops import processes
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host

# ln is atomic and fails when FATE exists: the same rule as fate.claim_fate.
_SCRIPT = r"""
folder=$1 state=$2 thawed=$3 seconds=$4 hold=$5 netns=$6 block=$7
now() { read -r up _ < /proc/uptime; echo "${up%.*}"; }
end=$(( $(now) + seconds ))
while [ "$(now)" -lt "$end" ]; do
  [ -e "$folder/FATE" ] && exit 0
  sleep 1
done
echo thawed > "$folder/.FATE.deadman"; sync "$folder/.FATE.deadman"
ln "$folder/.FATE.deadman" "$folder/FATE" 2>/dev/null || exit 0
sync "$folder"
if read -r pid < "$folder/dump.pid" 2>/dev/null; then
  # Stopped before its children are listed: one that still forks would lose us some.
  tree() {
    kill -STOP "$1" 2>/dev/null; echo "$1"
    for i in $(seq 100); do
      grep -hq '^State:.[RSD]' "/proc/$1/task/"*/status 2>/dev/null || break
      sleep 0.01
    done
    for c in $(cat "/proc/$1/task/"*/children 2>/dev/null); do tree "$c"; done
  }
  if tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -qF "$folder"; then
    all=$(tree "$pid"); kill -9 $all 2>/dev/null
    for p in $all; do while [ -e "/proc/$p" ] && ! grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null
    do sleep 0.05; done; done
  fi
fi
# A criu whose runc is gone is named by no pid file, only by the tasks that it holds.
# Every thread counts, and every group below: the same search as thaw.tracers.
for t in $(find "${state%/*}" -name cgroup.procs -exec cat {} + 2>/dev/null); do
  for c in $(sed -n 's/^TracerPid:[^1-9]*//p' "/proc/$t/task/"*/status 2>/dev/null | sort -u); do
    grep -q criu "/proc/$c/comm" 2>/dev/null || continue
    kill -9 "$c" 2>/dev/null
    while [ -e "/proc/$c" ] && ! grep -q '^State:.Z' "/proc/$c/status" 2>/dev/null
    do sleep 0.01; done
  done
done
wake() {
  for i in $(seq 1000); do
    echo "$thawed" > "$1" || return 1
    case "$(cat "$1")" in "$thawed") break ;; esac
    sleep 0.01
  done
}
wake "$state"; woke=$?
shift 7
while [ $# -gt 1 ]; do wake "$1"; rm -f "$2"; shift 2; done
[ $woke = 0 ] || exit 0
if [ -n "$netns" ]; then
  # A workload that runs behind a closed shield is of no use to anybody.
  nsenter --net="$netns" nft delete table inet podferry 2>/dev/null
fi
rm -f "$hold" "$block"
"""


def arm(
    host: Host,
    folder: str,
    cgroup: Cgroup,
    seconds: int,
    hold_file: str,
    *,
    netns: str = "",
    block_file: str = "",
    beside: Sequence[tuple[Cgroup, str]] = (),
) -> None:
    """Start it: after `seconds` without FATE it claims `thawed`, thaws and opens the shield.

    All paths are the node's; `netns` is the pod's network namespace, `block_file` the marker that
    keeps kubelet from creating its containers again; `beside`: freezer and hold marker of the
    pod's other containers, which are frozen with this one.
    """
    others = [item for group, place in beside for item in (_state_of(host, group), place)]
    host.spawn_detached(
        [
            "sh",
            "-c",
            _SCRIPT,
            "podferry-deadman",
            folder,
            _state_of(host, cgroup),
            "0" if cgroup.v2 else "THAWED",
            str(seconds),
            hold_file,
            netns,
            block_file,
            *others,
        ],
        f"{folder}/deadman.out",
        f"{folder}/deadman.pid",
        f"{folder}/deadman.rc",
    )


def _state_of(host: Host, cgroup: Cgroup) -> str:
    """The file that thaws a group, as the node sees it."""
    folder = str(cgroup.folder).removeprefix(host.path(""))
    return f"{folder}/{'cgroup.freeze' if cgroup.v2 else 'freezer.state'}"


def disarm(host: Host, folder: str) -> None:
    """End it. It would end by itself once FATE exists; this frees the process at once."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = int(Path(host.path(f"{folder}/deadman.pid")).read_text())
        processes.end_tree(pid, "podferry-deadman")
