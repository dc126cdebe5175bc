#!/bin/sh
# Makes .venv what requirements.txt says, on a bare Debian or Ubuntu too; at once when nothing changed.
# With --uv it only prints the path of the pinned uv.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

fail() {
    echo "orderflow: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "needs root or sudo once, for: $*"
    fi
}

apt_get() {
    if ! output=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" 2>&1); then
        echo "$output" >&2
        return 1
    fi
}

# The first Python of at least 3.11 that can make virtual environments.
find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

missing_packages() {
    if [ -z "$(find_python)" ]; then echo python3 python3-venv; fi
    if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then echo ca-certificates; fi
}

install_missing_packages() {
    missing=$(missing_packages | tr '\n' ' ')
    if [ -z "$missing" ]; then return; fi
    echo "installing with apt: $missing" >&2
    # Lists of one broken source must not stop what the others can give; the installation itself decides.
    apt_get update || echo "apt-get update failed; going on with the package lists there are" >&2
    # shellcheck disable=SC2086 # a list of words
    apt_get install --no-install-recommends --yes $missing
    if [ -z "$(find_python)" ]; then
        fail "needs Python 3.11 or newer with venv; this system's python3 is $(python3 --version 2>&1)"
    fi
}

require_debian() {
    # shellcheck disable=SC1091
    family=$([ -r /etc/os-release ] && . /etc/os-release && echo " ${ID:-} ${ID_LIKE:-} ")
    case $family in
    *" debian "* | *" ubuntu "*) ;;
    *) fail "runs without Docker on Debian and Ubuntu only; here use: docker compose -f deploy/compose.yaml up" ;;
    esac
}

make_environment() {
    python=$(find_python)
    uv=$("$here/uv.sh" "$python")
    echo "installing the locked Python packages into .venv" >&2
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        "$uv" venv --quiet --clear --python "$python" .venv
    fi
    "$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements.txt
    "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
}

wanted() {
    cat requirements.txt pyproject.toml "$here/pins/uv.txt" | sha256sum | cut -d ' ' -f 1
}

up_to_date() {
    [ -x .venv/bin/python ] && [ "$(cat .venv/orderflow-stamp 2>/dev/null)" = "$(wanted)" ]
}

if [ "${1:-}" != --uv ] && up_to_date; then exit; fi
require_debian
install_missing_packages
if [ "${1:-}" = --uv ]; then exec "$here/uv.sh" "$(find_python)"; fi
mkdir -p .local
(
    flock --nonblock 9 || { echo 'waiting for another make' >&2; flock 9; }
    if ! up_to_date; then
        rm -f .venv/orderflow-stamp
        make_environment
        wanted >.venv/orderflow-stamp
    fi
) 9>.local/bootstrap.lock
