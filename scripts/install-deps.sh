#!/usr/bin/env bash
# Installs the Debian packages that are wanted and not there yet. Says nothing and touches nothing when all are there.
#
#   scripts/install-deps.sh [--tests] [PACKAGE...]     those of packages.txt, of packages-test.txt too, and these
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")

lists=("$here/packages.txt")
if [ "${1:-}" = --tests ]; then
  lists+=("$here/packages-test.txt")
  shift
fi
mapfile -t wanted < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "${lists[@]}")
wanted+=("$@")

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps: this is not a Debian system; install these yourself: ${wanted[*]}" >&2
  exit 1
fi

installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
  grep -qx "$package installed" <<<"$installed" || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: need root to run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
  # Without a terminal nobody can type a password.
  [ -t 0 ] || as_root=(sudo -n)
fi

echo "Installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 "$@"; }
if ! { apt update && apt install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
  tail -n 15 "$log" >&2
  echo "install-deps: apt-get could not install ${missing[*]}" >&2
  exit 1
fi
