# Sourced by what runs against servers of its own: `stack` names them, and the end of the script stops them, whatever
# happens. Data and logs of a run that failed are kept, for a look; those of a run that passed are forgotten.
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
