#!/bin/sh
# CRIU action script of a restore: freezes the restored tasks before CRIU lets go of them, so that
# not one instruction runs before the verdict. See docs/decisions/0002.
[ "$CRTOOLS_SCRIPT_ACTION" = pre-resume ] || exit 0
# runc puts criu itself into the container's group during a restore: it must leave first, or it
# would freeze with them. The group `podferry` is a sibling outside every pod.
path=$(sed -n 's/^[0-9]*:freezer://p' "/proc/$CRTOOLS_INIT_PID/cgroup")
if [ -n "$path" ]; then
  base=/sys/fs/cgroup/freezer state=freezer.state word=FROZEN
else
  path=$(sed -n 's/^0:://p' "/proc/$CRTOOLS_INIT_PID/cgroup")
  base=/sys/fs/cgroup state=cgroup.freeze word=1
fi
mkdir -p "$base/podferry" || exit 1
echo "$PPID" > "$base/podferry/cgroup.procs" || exit 1
echo $$ > "$base/podferry/cgroup.procs" || exit 1
echo "$word" > "$base$path/$state"
