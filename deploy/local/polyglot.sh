#!/bin/bash
# Plays conformance/scenarios.json in every language whose tools are here, against servers and services of their own.
# Arguments are languages.
set -u
cd "$(dirname "$0")/../.."
. deploy/local/own-servers.sh

"${stack[@]}" --quiet up || exit
.venv/bin/python -m conformance "$@"
