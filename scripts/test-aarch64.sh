#!/usr/bin/env bash
# Compiles what runs in the program being profiled, and attaching, for aarch64, and compares the native unwinder's stacks with libgcc's
# there, in an emulator. Installs Debian's cross compiler and qemu-user where they are missing.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64 >/dev/null ||
  apt-get -qq install -y g++-aarch64-linux-gnu qemu-user >/dev/null

out=$PWD/build/aarch64
tests=tests/unit/unwinder_native
mkdir -p "$out"
flags=(-std=c++20 -O2 -Wall -Wextra -Werror -fPIC -Icore -Icore/include -Iplugins/unwinders/common -Iplugins/hooks/common)
in_target=(-fvisibility=hidden -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-omit-frame-pointer -ftls-model=initial-exec
  -mbranch-protection=standard)

compiled=0
for source in core/recorder/*.cc plugins/hooks/*/*.cc plugins/unwinders/*/*.cc; do
  object=$out/$(tr / _ <<<"${source%.cc}").o
  if [ -z "$(find "$object" -newer "$source" 2>/dev/null)" ]; then
    aarch64-linux-gnu-g++ "${flags[@]}" "${in_target[@]}" -c "$source" -o "$object"
  fi
  compiled=$((compiled + 1))
done
# Attaching by a script or by gdb; the headers of libraries that it uses do not depend on the machine.
for source in core/attach/{attach,gdb,injection,memory,remote_exec,script_folder,script_injection,target,unsupported}.cc; do
  aarch64-linux-gnu-g++ "${flags[@]}" -idirafter /usr/include -c "$source" -o "$out/attach.o"
  compiled=$((compiled + 1))
done
echo "test-aarch64: $compiled files compiled"

aarch64-linux-gnu-g++ -shared -nodefaultlibs -Wl,-Bsymbolic,--no-undefined -o "$out/native.so" "$out"/plugins_unwinders_native_*.o -lgcc -lc -lgcc
aarch64-linux-gnu-g++ "${flags[@]}" -shared -fno-exceptions -fno-omit-frame-pointer -ftls-model=initial-exec -o "$out/checker.so" $tests/checker.cc -ldl
program=(-O2 -fomit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -mbranch-protection=standard)
aarch64-linux-gnu-gcc "${program[@]}" -fPIC -shared -o "$out/a.so" $tests/plugin.c
aarch64-linux-gnu-gcc "${program[@]}" -fPIC -shared -DFRAME=72 -o "$out/b.so" $tests/plugin.c
aarch64-linux-gnu-g++ "${program[@]}" -std=c++20 -DSTACKS_PLUGIN_A="\"$out/a.so\"" -DSTACKS_PLUGIN_B="\"$out/b.so\"" \
  -o "$out/stacks" $tests/stacks.cc $tests/assembly.S -pthread -ldl -Wl,-z,lazy

# Not the signals: the emulator's own return from signal handlers has no unwind information, and what libgcc does about
# that is to know its instructions.
failed=0
for scenario in recursion longjmps exceptions contexts alignment callbacks plugins threads; do
  every=1
  [ $scenario = recursion ] && every=400
  rm -f "$out/report.json"
  qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_PRELOAD="$out/checker.so" -E CHECK_UNWINDER="$out/native.so" \
    -E CHECK_REFERENCE=libgcc -E CHECK_EVERY=$every -E CHECK_REPORT="$out/report.json" "$out/stacks" $scenario || true
  report=$(cat "$out/report.json" 2>/dev/null || echo "no report")
  echo "$scenario: $report"
  grep -q '"inconsistent": 0, "different": 0,' <<<"$report" || failed=$((failed + 1))
done
echo "$((8 - failed)) passed, $failed failed"
[ $failed = 0 ]
