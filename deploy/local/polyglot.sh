#!/bin/bash
# Plays conformance/scenarios.json in every language whose tools are here, against servers and services of their own.
# Arguments are languages. Data and logs of a run that failed are kept, for a look.
set -u
cd "$(dirname "$0")/../.."
stack=(.venv/bin/python -m deploy.local --profile test)

finish() {
    status=$?
    trap - EXIT
    if [ "$status" = 0 ]; then "${stack[@]}" --quiet clean; else "${stack[@]}" --quiet down; fi || status=1
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

"${stack[@]}" --quiet clean || exit  # what a run that failed has kept
"${stack[@]}" --quiet up || exit
.venv/bin/python -m conformance "$@"
