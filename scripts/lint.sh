#!/usr/bin/env bash
# Runs clang-tidy, as .clang-tidy says, over every file of ours that the release build compiles.
#
#   scripts/lint.sh [PATTERN]     only files whose path matches the regular expression
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/install-deps.sh clang-tidy
scripts/build.sh release >/dev/null

/usr/bin/python3 - "$PWD" "${1:-.}" <<'PYTHON' | xargs -0 -r -n 1 -P "$(nproc)" clang-tidy --quiet -p build/release
import json, re, sys

top, pattern = sys.argv[1:]
files = {entry["file"] for entry in json.load(open("build/release/compile_commands.json"))}
ours = sorted(f for f in files if f.startswith(top + "/") and not f.startswith(top + "/build/") and re.search(pattern, f))
print("\0".join(ours), end="\0" if ours else "")
PYTHON
