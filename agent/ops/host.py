"""Programs and files of the node as the agent reaches them. Owns entering the node; no decisions.

The agent runs in a privileged pod with the node's process namespace: process 1 is the node's. Its
programs (runc, criu, nft) are the node's own, entered with nsenter. A process that must outlive
the agent leaves the agent's cgroup first, otherwise the end of the pod would end it too.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DETACH = r"""
for d in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs; do
  [ -e "$d" ] || continue
  g="${d%/cgroup.procs}/podferry"
  if [ ! -d "$g" ]; then
    mkdir "$g" 2>/dev/null
    for f in cpuset.cpus cpuset.mems; do
      [ -e "$g/$f" ] && cat "${g%/podferry}/$f" > "$g/$f" 2>/dev/null
    done
  fi
  echo $$ > "$g/cgroup.procs" 2>/dev/null
done
out=$1 pidfile=$2 rcfile=$3; shift 3
rm -f "$rcfile"
setsid sh -c '
  out=$1 pidfile=$2 rcfile=$3; shift 3
  "$@" </dev/null >"$out" 2>&1 &
  echo $! > "$pidfile.tmp"; mv "$pidfile.tmp" "$pidfile"
  wait $!; echo $? > "$rcfile.tmp"; mv "$rcfile.tmp" "$rcfile"
' podferry-detached "$out" "$pidfile" "$rcfile" "$@" </dev/null >/dev/null 2>&1 &
"""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended; both streams as text."""

    returncode: int
    stdout: str
    stderr: str


class Host:
    """The node. `enter=False` runs programs where we are: in tests, or outside a pod."""

    def __init__(self, root: str = "/proc/1/root", *, enter: bool = True) -> None:
        self._root = root.rstrip("/")
        self._enter = enter

    def path(self, node_path: str) -> str:
        """The agent's own path of an absolute path on the node."""
        return f"{self._root}{node_path}"

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` on the node, with the node's PATH."""
        if not self._enter:
            return list(argv)
        enter = ["nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        return [*enter, "env", f"PATH={self._search_path()}", *argv]

    def run(
        self, argv: Sequence[str], *, timeout: float = 30.0, stdin: str | None = None
    ) -> Completed:
        """Run to the end. A time-out is returncode 124, never an exception."""
        try:
            done = subprocess.run(
                self.argv(argv), capture_output=True, text=True, timeout=timeout, input=stdin
            )
        except subprocess.TimeoutExpired:
            return Completed(124, "", f"{argv[0]} did not end within {timeout:.0f} s")
        return Completed(done.returncode, done.stdout, done.stderr)

    def spawn_detached(
        self,
        argv: Sequence[str],
        stdout_path: str,
        pid_path: str,
        rc_path: str,
        *,
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Start a process that outlives the agent. Paths are the node's.

        The pid file names the process, the rc file appears with its exit code at its end.
        Returns the pid. Raises OSError when it did not start within 5 s.
        """
        extra = ["env", *(f"{key}={value}" for key, value in env.items())] if env else []
        local = Path(self.path(pid_path))
        local.unlink(missing_ok=True)
        started = self.run(
            ["sh", "-c", _DETACH, "podferry-detach", stdout_path, pid_path, rc_path, *extra, *argv],
            timeout=10,
        )
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if local.exists():
                return int(local.read_text())
            time.sleep(0.001)
        raise OSError(f"{argv[0]} was not started on the node: {started.stderr.strip()}")

    def _search_path(self) -> str:
        """PATH of process 1, where a distribution may have its runtimes, and the usual folders."""
        try:
            entries = Path("/proc/1/environ").read_bytes().split(b"\0")
        except OSError:
            entries = []
        own = [item[5:].decode() for item in entries if item.startswith(b"PATH=")]
        return f"{own[0]}:{_PATH}" if own else _PATH
