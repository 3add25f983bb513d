#!/usr/bin/env bash
# Installs what is missing, configures and builds: scripts/build.sh [PRESET] [-DNAME=VALUE...]
# The command is then build/PRESET/bin/memray.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

preset=release
case ${1:-} in '' | -*) ;; *) preset=$1 && shift ;; esac

scripts/install-deps.sh
configure_log=build/$preset/configure.log
mkdir -p "build/$preset"
if ! cmake --preset "$preset" "$@" >"$configure_log" 2>&1; then
  cat "$configure_log" >&2
  echo "build: configuring failed, see $configure_log" >&2
  exit 1
fi
cmake --build "build/$preset" --parallel "$(nproc)"
