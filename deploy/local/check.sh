#!/bin/bash
# What needs no server: each step by name and time, all of them even where one fails.
set -u
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
failed=()

step() {
    local name=$1 start=$EPOCHREALTIME output
    shift
    if output=$("$@" 2>&1); then
        printf '%-12s ok      %5.1f s  %s\n' "$name" "$(seconds_since "$start")" "$(tail -n 1 <<<"$output")"
    else
        printf '%-12s FAILED  %5.1f s\n%s\n' "$name" "$(seconds_since "$start")" "$output"
        failed+=("$name")
    fi
}

seconds_since() {
    awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { print to - from }'
}

step format ruff format --check .
step lint ruff check .
step types mypy
step imports lint-imports
step protos scripts/check-protos
step unit pytest tests/unit -q --numprocesses 2

if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
fi
