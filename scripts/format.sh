#!/usr/bin/env bash
# Checks the layout of every C and C++ file of the repository with clang-format; --fix rewrites them.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/install-deps.sh clang-format

mode=(--dry-run --Werror)
[ "${1:-}" != --fix ] || mode=(-i)
git ls-files -z --cached --others --exclude-standard -- '*.h' '*.c' '*.cc' | xargs -0 -r clang-format --style=file "${mode[@]}"
