#!/usr/bin/env bash
# Fuzzes the capture reader and the queries with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer:
#
#   scripts/fuzz.sh [SECONDS]             default 60; the corpus grows in build/fuzz/corpus
#   scripts/fuzz.sh handshake [SECONDS]   the greetings of a served recording, and addresses
#
# What it finds goes to build/fuzz/found. Put it into tests/fuzz/corpus, which the test fuzz-replay goes through, and what
# is worth keeping of a corpus that has grown:
#
#   build/fuzz/reader -set_cover_merge=1 -use_counters=0 tests/fuzz/corpus build/fuzz/corpus
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/install-deps.sh clang-14 libclang-rt-14-dev

target=reader
if [ "${1:-}" = handshake ]; then
  target=handshake
  shift
fi
seconds=${1:-60}
build=build/fuzz
mkdir -p $build/objects $build/corpus $build/handshake-corpus $build/found
flags=(-std=c++20 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
  -Icore -Icore/include -DFMT_SHARED)
if [ $target = handshake ]; then
  clang++-14 "${flags[@]}" -fsanitize=fuzzer tests/fuzz/handshake.cc core/live/connection.cc -o $build/handshake -lfmt
  printf 'MRAYLIVE\1\0\0\0\0\0\0\0%032d' 0 >$build/handshake-corpus/request
  printf '[::1]:4242#token' >$build/handshake-corpus/address
  exec $build/handshake $build/handshake-corpus -max_total_time="$seconds" -max_len=256 -artifact_prefix=$build/found/ \
    -print_final_stats=1
fi
launcher=$(command -v ccache || true)
export launcher
sources=(core/types.cc core/capture/*.cc core/live/{age_marks,live_state,moments,stream_reader}.cc core/query/*.cc
  tests/fuzz/{libfuzzer,structure,target}.cc)
printf '%s\0' "${sources[@]}" | xargs -0 -P 2 -I{} bash -c '
  object='$build'/objects/$(tr / _ <<<"$1").o
  if [ ! -e "$object" ] || [ -n "$(find core tests/fuzz -name "*.h" -newer "$object" -print -quit)" ] || [ "$1" -nt "$object" ]; then
    $launcher clang++-14 "${@:2}" -c "$1" -o "$object"
  fi' _ {} "${flags[@]}"
clang++-14 -fsanitize=fuzzer,address,undefined $build/objects/*.o -o $build/reader -lzstd -lfmt

cmake --build build/release --target fuzz-replay >/dev/null
build/release/tests/fuzz-replay --seeds $build/seeds >/dev/null
exec $build/reader $build/corpus tests/fuzz/corpus $build/seeds -max_total_time="$seconds" -max_len=65536 -timeout=20 \
  -rss_limit_mb=2048 -artifact_prefix=$build/found/ -print_final_stats=1
