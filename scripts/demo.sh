#!/usr/bin/env bash
# Profiles a bundled Python program: prints the summary and leaves out/flamegraph.html.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

scripts/build.sh release -DMEMRAY_TESTS=OFF
memray=build/release/bin/memray
program=examples/orders.py
mkdir -p out

printf '\n$ memray run -o out/orders.bin %s\n' "$program"
"$memray" run -f -o out/orders.bin "$program"
printf '\n$ memray summary out/orders.bin\n'
"$memray" summary --max-rows 12 out/orders.bin
printf '\n$ memray flamegraph -o out/flamegraph.html out/orders.bin\n'
"$memray" flamegraph -f -o out/flamegraph.html out/orders.bin
printf '\nOpen this in a browser: %s\n' "$PWD/out/flamegraph.html"
