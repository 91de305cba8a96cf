#!/bin/bash
# Runs the service for real and shows what it does; fails when something isn't as it should be.
# usage: examples/demo.sh [directory of the built programs]
set -euo pipefail

programs=$(realpath "${1:-.build/release}")
cordon=$programs/cordon
sudo=()
(( EUID == 0 )) || sudo=(sudo)
work=$(mktemp -d /tmp/cordon-demo-XXXXXX)
chmod 711 "$work"                      # The service's own account must be able to pass.
export CORDON_CREDENTIALS=$work/credentials.json

# --- What the steps share ---------------------------------------------------------------------

bold='' green='' red='' plain=''
[[ -t 1 ]] && bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
heading() { printf '\n%s\n' "$bold$*$plain"; }
shown() { printf '    $ %s\n' "$*"; }
good() { printf '    %s  %s\n' "${green}ok$plain" "$*"; }
fail() {
    printf '    %s  %s\n' "${red}FAILED$plain" "$*" >&2
    exit 1
}
now() { echo "${EPOCHREALTIME/[.,]/}"; }        # Microseconds.
milliseconds_since() { echo $((($(now) - $1) / 1000)); }

# Prefixes every line with the time at which it arrived.
stamped() {
    local line
    while IFS= read -r line; do printf '    %5d ms  %s\n' "$(milliseconds_since "$started")" "$line"; done
}

start_service() {
    # shellcheck disable=SC2016  # The inner shell expands them.
    "${sudo[@]}" bash -c 'echo $$ > "$1/pid"; exec "${@:2}" 2>> "$1/cordond.log"' - "$work" \
        "$programs/cordond" --data-dir "$work/data" --run-dir "$work/run" --listen 127.0.0.1:0 &
    disown  # Its end by SIGKILL is wanted, and not the shell's to report.
    for _ in {1..600}; do
        if "${sudo[@]}" cat "$work/data/credentials.json" > "$work/credentials.json" 2> /dev/null; then
            url=$(jq -r .url "$work/credentials.json")
            token=$(jq -r '.token_id + "." + .token_secret' "$work/credentials.json")
            curl -fs -o /dev/null "$url/readyz" && return
        fi
        sleep 0.05
    done
    cat "$work/cordond.log" >&2
    fail "the service did not start"
}

api() { curl -fsS -X "$1" -H "Authorization: Bearer $token" "${@:3}" "$url$2"; }

stop_service() {
    local pid
    pid=$(< "$work/pid")
    "${sudo[@]}" kill -"$1" "$pid"
    while [[ -d /proc/$pid ]]; do sleep 0.01; done
}

# How many processes, mounts and control groups of this instance there are.
leftovers() {
    # shellcheck disable=SC2016
    "${sudo[@]}" bash -c '
        shopt -s nullglob
        groups=() processes=() mounts=0
        for tree in /sys/fs/cgroup /sys/fs/cgroup/*; do
            [[ -d $tree/cordon-$2 ]] && groups+=("$tree/cordon-$2")
        done
        for directory in /proc/[0-9]*; do
            pid=${directory#/proc/}
            (( pid == $$ || pid == PPID )) && continue
            if { tr "\0" " " < "$directory/cmdline"; } 2> /dev/null | grep -qE -- "(--run-dir|--data-dir) $1/"; then
                processes+=("$pid")
            elif grep -qs "cordon-$2/" "$directory/cgroup"; then processes+=("$pid"); fi
        done
        mounts=$(cat /proc/[0-9]*/mountinfo 2> /dev/null | grep -c "$1/" || true)
        echo "${#processes[@]} processes, $mounts mounts, ${#groups[@]} control groups"
    ' - "$work" "$instance"
}

# shellcheck disable=SC2317,SC2329  # The trap below calls it.
clean_up() {
    local status=$?
    trap - EXIT
    if [[ -e $work/pid ]]; then
        "${sudo[@]}" "$programs/cordond" down --data-dir "$work/data" --run-dir "$work/run" || true
        stop_service TERM 2> /dev/null || true
    fi
    if (( status )) && [[ -e $work/cordond.log ]]; then tail -n 20 "$work/cordond.log" >&2; fi
    "${sudo[@]}" rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
set -E

# --- The demo ---------------------------------------------------------------------------------

heading "The service starts, with directories and a port of its own"
started=$(now)
start_service
instance=$("${sudo[@]}" cat "$work/run/instance")
good "ready at $url in $(milliseconds_since "$started") ms, served by account $(ps -o uid= -p "$(< "$work/pid")" | tr -d ' ')"

heading "A Python program prints over time, and its output arrives as it is printed"
shown "cordon run -- python3 -u -c 'for n in range(1, 6): …'"
started=$(now)
"$cordon" run -- python3 -u -c 'import time
for n in range(1, 6):
    print("line", n)
    time.sleep(0.3)' | stamped | tee "$work/streamed"
mapfile -t arrivals < <(awk '{print $1}' "$work/streamed")
(( ${#arrivals[@]} == 5 && arrivals[4] - arrivals[0] >= 900 )) || fail "the lines came together"
good "first line after ${arrivals[0]} ms, the last $((arrivals[4] - arrivals[0])) ms later"

heading "One reads its stdin"
shown "seq 1 100000 | cordon run -i -- python3 -c 'import sys; print(sum(map(int, sys.stdin)))'"
started=$(now)
sum=$(seq 1 100000 | "$cordon" run -i -- python3 -c 'import sys; print(sum(map(int, sys.stdin)))')
[[ $sum == 5000050000 ]] || fail "the sum is $sum"
good "$sum, after $(milliseconds_since "$started") ms"

heading "One runs into its timeout"
shown "cordon run --timeout 1 -- python3 -c 'while True: pass'"
started=$(now)
status=0
"$cordon" run --timeout 1 -- python3 -c 'while True: pass' || status=$?
took=$(milliseconds_since "$started")
(( status == 124 && took >= 1000 && took < 2500 )) || fail "status $status after $took ms"
good "status $status, as of timeout(1), after $took ms"

heading "One tries to read the host's files"
id=$("$cordon" create --name trial --tag purpose=demo --pids 100)
echo "of the host" | "${sudo[@]}" tee "$work/secret" > /dev/null
shown "cordon exec trial -- cat /etc/shadow"
"$cordon" exec trial -- cat /etc/shadow > "$work/shadow"
head -n 2 "$work/shadow" | sed 's/^/    /'
if "${sudo[@]}" cmp -s /etc/shadow "$work/shadow"; then fail "that is the host's"; fi
if awk -F: '$2 != "*"' "$work/shadow" | grep -q .; then fail "there is a password in it"; fi
good "that file is the sandbox's own, without any password"
for path in "$work/secret" /proc/1/root"$work/secret" /root/.bashrc; do
    if "$cordon" exec trial -- cat "$path" 2> "$work/refusal" > /dev/null; then fail "$path can be read"; fi
done
good "of the host's own files it sees none: $(tail -n 1 "$work/refusal")"

heading "One forks without end"
cat > "$work/bomb" <<'BOMB'
import os, time
while True:
    try:
        if os.fork() == 0: time.sleep(0.01)
    except BlockingIOError:
        time.sleep(0.1)
BOMB
shown "curl …/execs -d '{\"argv\": [\"python3\", \"-c\", …], \"timeout_seconds\": 2}'"
started=$(now)
jq -n --rawfile program "$work/bomb" '{argv: ["python3", "-c", $program], timeout_seconds: 2, wait: true}' > "$work/exec"
api POST "/v1/sandboxes/$id/execs" -H 'Content-Type: application/json' -d "@$work/exec" > "$work/result" &
bomb=$!
sleep 1
before=$(now)
[[ $("$cordon" run -- echo neighbour) == neighbour ]] || fail "another sandbox doesn't answer"
good "meanwhile a sandbox beside it is made, answers and is gone in $(milliseconds_since "$before") ms"
wait "$bomb"
reason=$(jq -r .result.reason "$work/result")
[[ $reason == timed_out ]] || fail "the bomb ended as $reason"
good "it ended as $reason after $(milliseconds_since "$started") ms, with all its children"
[[ $("$cordon" exec trial -- sh -c 'ls -d /proc/[0-9]* | wc -l') -le 5 ]] || fail "children of it are left"
before=$(now)
[[ $("$cordon" exec trial -- echo alive) == alive ]] || fail "the sandbox doesn't answer"
good "and the same sandbox still answers, in $(milliseconds_since "$before") ms"

heading "The service is killed in mid-stream (SIGKILL) and started again"
shown "cordon exec trial -- python3 -u -c 'for n in range(3000): …' > lines"
"$cordon" exec trial -- python3 -u -c 'import time
for n in range(3000):
    print("line", n)
    time.sleep(0.001)' > "$work/lines" 2> "$work/said" &
stream=$!
sleep 1
stop_service KILL
at_kill=$(wc -l < "$work/lines")
killed=$(now)
sleep 0.5
started=$(now)
start_service
good "killed after $at_kill lines; started again 500 ms later, ready in $(milliseconds_since "$started") ms, at the same $url"
wait "$stream" || fail "cordon exec ended with $?: $(< "$work/said")"
seq -f 'line %g' 0 2999 | cmp - "$work/lines" || fail "the output isn't what the program printed"
(( at_kill > 0 && at_kill < 3000 )) || fail "that was not in mid-stream"
good "the same command went on to its end: 3000 of 3000 lines, none lost, none twice, $(milliseconds_since "$killed") ms after the kill"

heading "What runs is listed, and can be ended"
shown "cordon ls --tag purpose=demo"
"$cordon" ls --tag purpose=demo | tee "$work/list" | sed 's/^/    /'
grep -q "$id" "$work/list" || fail "the sandbox isn't in the list"
shown "cordon rm trial"
started=$(now)
"$cordon" rm trial > /dev/null
took=$(milliseconds_since "$started")
reason=$(api GET "/v1/sandboxes/$id" | jq -r .result.reason)
[[ $reason == terminated ]] || fail "it ended as $reason"
good "$reason, in $took ms"
if "$cordon" ls | grep -q sb-; then fail "something still runs"; fi

heading "Nothing is left"
good "before: $(leftovers)"
"${sudo[@]}" "$programs/cordond" down --data-dir "$work/data" --run-dir "$work/run"
stop_service TERM
left=$(leftovers)
[[ $left == "0 processes, 0 mounts, 0 control groups" ]] || fail "$left"
good "after \`cordond down\`: $left"
rm "$work/pid"

printf '\nAll of it is as it should be.\n'
