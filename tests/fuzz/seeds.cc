#include "seeds.h"

#include <fstream>
#include <iterator>

#include "random_program.h"

namespace memray::fuzz {
namespace {

using test::RandomProgram;
using test::Recording;

std::string bytes_of(const Capture& capture) {
  std::ifstream in(capture.path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void add_sample(Recording& recording) {
  recording.samples.push_back({recording.now(), recording.process, 1'000'000, 5'000});
}

// Native stacks, with and without symbols, inlined functions, below Python ones.
void allocate_natively(Recording& recording) {
  Definitions& d = recording.definitions;
  const ModuleId module = d.add_module(
      {recording.process, d.add_string("/usr/lib/libc.so"), d.add_string("abcdef"), 0x1000, 0x9000, 0x400});
  const auto frame = [&](std::uint64_t address, ModuleId of) {
    Frame native;
    native.kind = FrameKind::native;
    native.module = of;
    native.address = address;
    return d.add_frame(native);
  };
  const FrameId loop = frame(0x1100, module);
  const FrameId inlined = frame(0x1200, module);
  const StackId outer = d.add_stack(d.add_stack(kNoStack, frame(0x1300, module)), loop);
  const StackId stack = d.add_stack(d.add_stack(outer, inlined), frame(0xfff0, kNoModule));
  const Location locations[] = {{d.add_string("inner"), d.add_string("/src/a.c"), 3},
                                {d.add_string("outer<int>"), d.add_string("/src/a.c"), 9}};
  d.set_locations(inlined, locations);
  const Location evaluator[] = {{d.add_string("_PyEval_EvalFrameDefault"), d.add_string("/src/ceval.c"), 1}};
  d.set_locations(loop, evaluator);

  RawAllocation made = recording.made(0x5000, 99, recording.stack({{"main", "/app/main.py", 1}}));
  made.native_stack = stack;
  recording.matcher.allocate(made);
  made = recording.made(0x6000, 0, kNoStack);
  made.native_stack = stack;
  recording.matcher.allocate(made);
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> seeds;
  for (unsigned seed = 0; seed < 4; ++seed) {
    RandomProgram program(seed);
    for (int i = 0; i < 5; ++i) {
      program.run(20 + static_cast<int>(seed) * 30);
      add_sample(program.recording);
    }
    seeds.push_back(bytes_of(program.recording.finish(128)));
    if (seed == 0) seeds.push_back(bytes_of(program.recording.finish_aggregated()));
  }
  Recording native;
  allocate_natively(native);
  add_sample(native);
  seeds.push_back(bytes_of(native.finish()));
  Recording nothing;
  seeds.push_back(bytes_of(nothing.finish()));
  Recording varying;  // a place that allocates more sizes than get sites of their own
  const StackId at = varying.stack({{"f", "/app/f.py", 1}});
  for (std::uint64_t i = 0; i < 300; ++i) varying.allocate(0x1000 + 16 * i, i, at);
  for (std::uint64_t i = 100; i < 290; ++i) varying.release(0x1000 + 16 * i);
  seeds.push_back(bytes_of(varying.finish(256)));
  return seeds;
}

}  // namespace memray::fuzz
