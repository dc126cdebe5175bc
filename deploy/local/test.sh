#!/bin/bash
# Runs the tests against servers of their own, and stops these whatever happens. Arguments go to pytest.
# Data and logs of a run that failed are kept, for a look; those of a run that passed are forgotten.
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
"${stack[@]}" up --servers-only || exit
if [ $# -gt 0 ]; then
    .venv/bin/python -m pytest "$@"
    exit
fi
# Two side by side: tests wait more than they work, and each has a database, topics and indices of its own. Only the
# end-to-end tests stop and kill the servers that all share.
.venv/bin/python -m pytest --numprocesses 2 --dist loadfile --ignore tests/e2e tests
status=$?
.venv/bin/python -m pytest tests/e2e || status=$?
exit "$status"
