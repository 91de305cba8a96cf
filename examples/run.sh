#!/bin/bash
# A program and its result in one call, with curl. Expects the service's address in CORDON_URL and a token in
# CORDON_TOKEN.
set -euo pipefail

run() { curl -sS --fail-with-body -H "Authorization: Bearer $CORDON_TOKEN" --json @- "$@" "$CORDON_URL/v1/run"; }

# Code in, output out. What goes wrong in the code is in the result, too.
run <<< '{"language": "python", "code": "print(6 * 7)"}' | jq -j .stdout

# Files in, files out, with limits.
run << 'EOF' | jq -j '.output_files[0].content'
{
  "language": "bash",
  "code": "sort < names > sorted",
  "files": [{"path": "names", "content": "pear\napple\n"}],
  "output_files": ["sorted"],
  "timeout_seconds": 10,
  "memory_mib": {"limit": 128}
}
EOF

# Output as it comes: one event a line.
# shellcheck disable=SC2016  # The sandbox's shell expands it.
run -N -H 'Accept: application/x-ndjson' <<< '{"argv": ["sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.1; done"]}' |
    jq -rj 'if .event == "stdout" then .data elif .event == "result" then "exit code \(.exit_code)\n" else empty end'
