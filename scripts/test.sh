#!/usr/bin/env bash
# Builds and runs every test. The last line counts them; the exit code is 0 only if none failed.
#
#   scripts/test.sh [--quick] [--preset NAME]
#     --quick     leave out tests marked slow (valgrind, thousands of threads, every interpreter found)
#     --preset    a preset of CMakePresets.json: release (default), debug, asan, tsan
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

preset=release
quick=
while (($#)); do
  case $1 in
    --quick) quick=yes ;;
    --preset) preset=${2:?--preset needs a name} && shift ;;
    --preset=*) preset=${1#*=} ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    *) echo "test: unknown argument $1 (see --help)" >&2 && exit 2 ;;
  esac
  shift
done

scripts/install-deps.sh --tests
python=ON
case $preset in asan | tsan) python=OFF ;; esac  # an interpreter without the sanitizer cannot load the extension
scripts/build.sh "$preset" -DMEMRAY_TESTS=ON "-DMEMRAY_PYTHON=$python"
build=$PWD/build/$preset
results=$build/test-results
rm -rf "$results"
mkdir -p "$results"

status=0
ctest --test-dir "$build" --parallel 2 --output-on-failure ${quick:+-LE slow} \
  --output-junit "$results/ctest.xml" || status=1
MEMRAY=$build/bin/memray /usr/bin/python3 -m pytest tests/e2e -n 2 -q -rs -p no:cacheprovider ${quick:+-m "not slow"} \
  --junitxml "$results/pytest.xml" || status=1
if [ "$python" = ON ]; then
  MEMRAY_PYTHONPATH=$build/python /usr/bin/python3 -m pytest tests/python -n 2 --dist loadfile -q -rs -p no:cacheprovider \
    ${quick:+-m "not slow"} --junitxml "$results/python.xml" || status=1
fi

/usr/bin/python3 scripts/tally.py "$results"/*.xml || status=1
exit $status
