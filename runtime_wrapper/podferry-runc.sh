#!/bin/sh
# podferry-runc: stands in for runc behind the RuntimeClass `podferry`.
# Every call but `create` of a pod that is to be restored, and the one `exec` of its postStart hook,
# ends in an exec of the real runc, at the cost of a few file tests. Kept in sh: containerd calls it for each state, exec and kill.
run=/run/podferry
# runc looks for criu in our PATH, which is containerd's and may be shorter than the installer's.
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
real=${PODFERRY_RUNC:-}
if [ -z "$real" ]; then
  if [ -r /opt/podferry/runc-path ]; then read -r real < /opt/podferry/runc-path; else real=runc; fi
fi
command= bundle= previous= root=/run/runc
for argument in "$@"; do
  case "$previous" in
    --bundle | -b) bundle=$argument ;;
    --root)
      root=$argument
      previous=
      continue
      ;;
    --log | --log-format | --criu | --rootless)
      previous=
      continue
      ;;
  esac
  previous=$argument
  case "$argument" in --bundle=* | -b=*) bundle=${argument#*=} ;; esac
  if [ -z "$command" ]; then
    case "$argument" in
      -*) ;;
      *) command=$argument ;;
    esac
    continue
  fi
  case "$command" in
    kill | delete)
      # A frozen source whose fate is open: its kubelet must not end it. See wire/layout.py.
      if [ -e "$run/hold/$argument" ] && [ -n "$argument" ]; then
        echo "$*" >> "$run/hold/$argument"
        exit 0
      fi
      # A runc that was killed in a restore leaves the root file system mounted in its state folder;
      # `runc delete` would then remove every file of it. See docs/decisions/0001.
      if [ -n "$argument" ] && [ -d "$root/$argument/criu-root" ]; then
        umount -l "$root/$argument/criu-root" 2>/dev/null
      fi
      if [ "$command" = delete ] && [ -n "$argument" ]; then
        for left in hook deferred waiting; do
          [ -e "$run/$left/$argument" ] && rm -f "$run/$left/$argument"
        done
      fi
      ;;
    start)
      if [ -e "$run/restored/$argument" ] && [ -n "$argument" ]; then
        rm -f "$run/restored/$argument"
        exit 0
      fi
      # It begins once the workload beside it runs; the agent starts it then.
      if [ -e "$run/deferred/$argument" ] && [ -n "$argument" ]; then
        mv "$run/deferred/$argument" "$run/waiting/$argument"
        exit 0
      fi
      ;;
    exec)
      if [ -e "$run/hook/$argument" ] && [ -n "$argument" ]; then
        PODFERRY_RUNC=$real exec python3 -I -S /opt/podferry/skip_hook.py "$run/hook/$argument" "$@"
      fi
      ;;
  esac
done
if [ "$command" = create ]; then
  bundle=${bundle:-.}
  if [ ! -r "$bundle/config.json" ]; then exec "$real" "$@"; fi
  # A pod that was frozen here may run elsewhere by now; see wire/layout.py on `blocked`.
  for block in /var/lib/podferry/blocked/*; do
    [ -e "$block" ] || continue
    PODFERRY_RUNC=$real exec python3 -I -S /opt/podferry/wrapper.py "$@"
  done
  # Any mention of the annotation goes to the careful path; only that one may decide on `create`.
  if grep -q 'podferry\.dev/restore' "$bundle/config.json"; then
    PODFERRY_RUNC=$real exec python3 -I -S /opt/podferry/wrapper.py "$@"
  fi
fi
exec "$real" "$@"
