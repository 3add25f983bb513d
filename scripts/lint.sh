#!/usr/bin/env bash
# Runs clang-tidy, as .clang-tidy says, over every file that memray is made of. Tests are left out: they leak, ask for nothing and
# call vfork on purpose.
#
#   scripts/lint.sh [PATTERN]     only files whose path matches the regular expression
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/install-deps.sh clang-tidy
scripts/build.sh release >/dev/null

# The commands of the build, without what only GCC understands.
mkdir -p build/lint
/usr/bin/python3 - "$PWD" "${1:-.}" <<'PYTHON' | xargs -0 -r -n 1 -P "$(nproc)" clang-tidy --quiet -p build/lint
import json, re, sys

top, pattern = sys.argv[1:]
folders = tuple(f"{top}/{folder}/" for folder in ("core", "plugins", "cli"))
commands = [c for c in json.load(open("build/release/compile_commands.json")) if c["file"].startswith(folders)]
for command in commands:
    command["command"] = command["command"].replace(" -fno-tree-loop-distribute-patterns", "")
json.dump(commands, open("build/lint/compile_commands.json", "w"))
ours = sorted({c["file"] for c in commands if re.search(pattern, c["file"])})
print("\0".join(ours), end="\0" if ours else "")
PYTHON
