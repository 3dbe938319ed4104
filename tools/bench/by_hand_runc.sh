#!/bin/sh
# Stands in for runc behind the RuntimeClass of the bench's mover by hand (by_hand.py).
# `create` of a container whose pod asks for a restore waits for the driver's word on a FIFO, restores
# and answers; its `start` does nothing. Every other call is runc's. No checks: this is a yardstick.
run=/run/podferry-bench
real=$(command -v runc)
command= bundle= pidfile= previous= globals= id=
for word in "$@"; do
  case "$previous" in
    --bundle) bundle=$word ;;
    --pid-file) pidfile=$word ;;
  esac
  previous=$word id=$word
  if [ -z "$command" ]; then
    case "$word" in
      create | start | state | kill | delete | exec | ps | update | pause | resume | events) command=$word ;;
      *) globals="$globals $word" ;;
    esac
  fi
done
if [ "$command" = start ] && [ -e "$run/restored-$id" ]; then
  rm -f "$run/restored-$id"
  exit 0
fi
if [ "$command" != create ]; then exec "$real" "$@"; fi
# the pod's sandbox carries the pod's annotations too
if ! grep -q 'bench\.podferry\.dev/restore' "$bundle/config.json" ||
  ! grep -q '"io.kubernetes.cri.container-type":"container"' "$bundle/config.json"; then
  exec "$real" "$@"
fi
# criu's options reach it through this annotation
sed -i "s|\"annotations\":{|&\"org.criu.config\":\"$run/criu.conf\",|" "$bundle/config.json"
echo "$id $pidfile" > "$run/held.new"
mv "$run/held.new" "$run/held"
read -r images lazy < "$run/go"
# shellcheck disable=SC2086 # words without blanks, and `lazy` may be none
"$real" $globals restore $lazy --detach --bundle "$bundle" --pid-file "$pidfile" \
  --image-path "$images" --work-path "$images/work" --tcp-established --ext-unix-sk --file-locks \
  --manage-cgroups-mode ignore "$id" 2> "$run/restore.err"
code=$?
: > "$run/restored-$id"
echo "$code" > "$run/done"
exit "$code"
