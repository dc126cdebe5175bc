#!/bin/bash
# Runs the tests against servers of their own. Arguments go to pytest.
set -u
cd "$(dirname "$0")/../.."
. deploy/local/own-servers.sh

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
