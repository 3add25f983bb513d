#!/usr/bin/env bash
# Runs tests in other distributions, and with their interpreters, with the binaries that were built here.
#
#   scripts/test-distros.sh [SUITE...]     Debian suites; default: trixie sid
#
# A folder is made for each with debootstrap ($MEMRAY_DISTROS, default /var/tmp/memray-distros) and kept. Needs root, and
# a Debian archive as this machine's package manager knows it. What is run: the tests of the python unwinder and the
# end-to-end tests that record programs. The last result is in docs/supported.md.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

top=$PWD
build=$top/build/release
folder=${MEMRAY_DISTROS:-/var/tmp/memray-distros}
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(trixie sid)
packages=python3,python3-pytest,python3-greenlet,sqlite3,libunwind8,libdw1,libelf1,binutils
tests="tests/e2e/test_threads.py tests/e2e/test_objects.py tests/e2e/test_native.py tests/e2e/test_truth.py tests/e2e/test_behaviour.py tests/e2e/test_follow.py tests/e2e/test_attach_remote_exec.py"

archive=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$') || {
  echo "test-distros: this machine's package manager knows no Debian archive" >&2
  exit 1
}
command -v debootstrap >/dev/null || apt-get install -y debootstrap >/dev/null

# Suites under development have more interpreters than one, and archives that are mirrored now and then look expired.
make_root() {
  local suite=$1 root=$folder/$1
  [ -x "$root/usr/bin/python3" ] || debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$archive"
  chroot "$root" apt-get -o Acquire::Check-Valid-Until=false -qq update || true
  local more
  more=$(chroot "$root" apt-cache search --names-only '^python3\.[0-9]+(-nogil)?$' | cut -d' ' -f1)
  # shellcheck disable=SC2086
  chroot "$root" apt-get -qq install -y --no-install-recommends ${packages//,/ } $more >/dev/null
  # The one library of the command's that has another name elsewhere.
  cp -a /usr/lib/*-linux-gnu/libfmt.so.* "$root/usr/local/lib/"
  chroot "$root" ldconfig
}

# In a mount namespace of its own: nothing of it is left behind.
run_in() {
  local root=$1
  shift
  unshare --mount bash -c '
    root=$1 top=$2; shift 2
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mkdir -p "$root$top"
    mount --bind "$top" "$root$top"
    exec chroot "$root" "$@"' bash "$root" "$top" "$@"
}

status=0
for suite in "${suites[@]}"; do
  root=$folder/$suite
  make_root "$suite"
  echo "== $suite: $(chroot "$root" sh -c 'for p in /usr/bin/python3.*[0-9]; do $p -V; done' | tr '\n' ' ')"
  for what in "tests/unit/unwinder_python/test_unwinder_python.py" "$tests"; do
    # shellcheck disable=SC2086
    run_in "$root" env -C "$top" MEMRAY="$build/bin/memray" MEMRAY_TEST_PROBE="$build/tests/memray-test-probe.so" \
      MEMRAY_TEST_UNWINDER="$build/lib/memray/plugins/memray-unwinder-python.so" \
      python3 -m pytest -q -p no:cacheprovider $what || status=1
  done
done
exit $status
