#!/bin/bash
# Runs commands beside each other and waits for all: side-by-side.sh COMMAND...
# Each is one argument, for bash. What the first one prints is shown as it comes, what the others print once they are
# over. Fails when one of them fails.
set -euo pipefail

outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT

others=()
for command in "${@:2}"; do
    bash -c "$command" > "$outputs/${#others[@]}" 2>&1 < /dev/null &
    others+=($!)
done
status=0
bash -c "$1" < /dev/null || status=$?
for number in "${!others[@]}"; do
    wait "${others[$number]}" || status=$?
    cat "$outputs/$number"
done
exit "$status"
