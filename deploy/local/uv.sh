#!/bin/sh
# Prints the path of the pinned uv, installing it into the cache first where it is missing.
# usage: uv.sh PYTHON
set -eu

python=$1
requirements="$(cd "$(dirname "$0")" && pwd)/pins/uv.txt"
version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' "$requirements")
if [ -n "${ORDERFLOW_CACHE:-}" ]; then
    cache=$ORDERFLOW_CACHE
elif [ "$(id -u)" = 0 ]; then
    cache=/var/cache/orderflow # as in cache.py
else
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/orderflow
fi
folder="$cache/uv-$version"

if [ ! -x "$folder/bin/uv" ]; then
    umask 022 # whoever runs the servers must be able to read the cache
    mkdir -p "$cache/locks"
    echo "fetching uv $version" >&2
    (
        flock 9
        if [ ! -x "$folder/bin/uv" ]; then
            # Built beside its place and renamed, so that an interrupted download leaves nothing that looks done.
            building=$(mktemp -d "$cache/building-uv-XXXXXX")
            trap 'rm -rf "$building"' EXIT
            "$python" -m venv "$building/venv" >&2
            "$building/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
                --require-hashes --requirement "$requirements" >&2
            mkdir -p "$building/uv/bin"
            cp "$building/venv/bin/uv" "$building/uv/bin/uv"
            rm -rf "$folder"
            mv "$building/uv" "$folder"
        fi
    ) 9>"$cache/locks/uv"
fi
echo "$folder/bin/uv"
