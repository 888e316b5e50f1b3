#!/usr/bin/env bash
# The GPU benchmark in slices of under ten minutes: each call measures what is still missing in benchmarks/results/gpu.jsonl.
# `benchmarks/gpu.sh` runs one slice (exit 3: more to do); `benchmarks/gpu.sh all` goes on until everything is measured.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"
while true; do
    timeout 590 "$python" -m benchmarks.gpu --seconds "${SECONDS_A_SLICE:-400}" "${@:2}"
    status=$?
    if [ "${1:-one}" != all ] || [ "$status" -ne 3 ]; then
        exit "$status"
    fi
done
