#include <memray/query.h>

#include <catch2/catch.hpp>

#include "recording.h"

namespace memray::test {
namespace {

Frame native_frame(std::uint64_t address, ModuleId module) {
  Frame frame;
  frame.kind = FrameKind::native;
  frame.address = address;
  frame.module = module;
  return frame;
}

// Both ways to ask must say the same, the second one also when it knows the frames already.
std::vector<DisplayFrame> shown_stack(const Capture& capture) {
  const Group group = peak(capture).groups.at(0);
  const std::vector<DisplayFrame> frames = display_stack(capture, group);
  DisplayStacks stacks(capture);
  for (int times = 0; times < 2; ++times) {
    const std::span<const std::uint32_t> numbers = stacks.of(group);
    REQUIRE(numbers.size() == frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
      REQUIRE(stacks[numbers[i]].function == frames[i].function);
      REQUIRE(stacks[numbers[i]].file == frames[i].file);
      REQUIRE(stacks[numbers[i]].line == frames[i].line);
      REQUIRE(stacks[numbers[i]].kind == frames[i].kind);
    }
  }
  return frames;
}

}  // namespace

TEST_CASE("Python frames are shown innermost first") {
  Recording recording;
  const StackId stack = recording.stack({{"main", "/app/a.py", 3}, {"work", "/app/b.py", 7}});
  recording.allocate(0x10, 1, stack);
  const Capture capture = recording.finish();
  const auto frames = shown_stack(capture);
  REQUIRE(frames.size() == 2);
  REQUIRE(frames[0].function == "work");
  REQUIRE(frames[0].file == "/app/b.py");
  REQUIRE(frames[0].line == 7);
  REQUIRE(frames[1].function == "main");
}

TEST_CASE("native frames are shown with inlined functions, or by module and offset") {
  Recording recording;
  Definitions& definitions = recording.definitions;
  const ModuleId module = definitions.add_module(
      {recording.process, definitions.add_string("/usr/lib/libfoo.so.1"), kNoString, 0x7000'0000, 0x7000'9000, 0x2000});
  const FrameId nameless = definitions.add_frame(native_frame(0x7000'0123, module));
  const FrameId named = definitions.add_frame(native_frame(0x7000'0456, module));
  const FrameId nowhere = definitions.add_frame(native_frame(0xdead, kNoModule));
  const std::vector<Location> locations = {
      {definitions.add_string("inlined"), definitions.add_string("foo.h"), 5},
      {definitions.add_string("outer"), definitions.add_string("foo.cc"), 9},
  };
  definitions.set_locations(named, locations);

  RawAllocation allocation = recording.made(0x10, 1, kNoStack);
  allocation.native_stack = definitions.add_stack(kNoStack, nowhere);
  allocation.native_stack = definitions.add_stack(allocation.native_stack, named);
  allocation.native_stack = definitions.add_stack(allocation.native_stack, nameless);
  recording.matcher.allocate(allocation);
  const Capture capture = recording.finish();

  const auto frames = shown_stack(capture);
  REQUIRE(frames.size() == 4);
  REQUIRE(frames[0].function == "libfoo.so.1+0x2123");
  REQUIRE(frames[0].file == "/usr/lib/libfoo.so.1");
  REQUIRE(frames[0].kind == FrameKind::native);
  REQUIRE(frames[1].function == "inlined");
  REQUIRE(frames[2].function == "outer");
  REQUIRE(frames[2].line == 9);
  REQUIRE(frames[3].function == "0xdead");
}

namespace {

// Stacks of a Python program, outermost frame first.
struct Hybrid {
  StackId python(std::initializer_list<std::pair<const char*, bool>> frames) {
    StackId stack = kNoStack;
    for (const auto& [name, entry] : frames) {
      Frame frame;
      frame.entry = entry;
      frame.location = {definitions.add_string(name), definitions.add_string("a.py"), 1};
      stack = definitions.add_stack(stack, definitions.add_frame(frame));
    }
    return stack;
  }
  StackId native(std::initializer_list<const char*> functions) {
    StackId stack = kNoStack;
    for (const char* name : functions) {
      const FrameId id = definitions.add_frame(native_frame(++next_address, kNoModule));
      const Location location{definitions.add_string(name), definitions.add_string("c.c"), 1};
      definitions.set_locations(id, {&location, 1});
      stack = definitions.add_stack(stack, id);
    }
    return stack;
  }
  std::vector<std::string> shown(StackId python_stack, StackId native_stack) {
    RawAllocation allocation = recording.made(0x10, 1, python_stack);
    allocation.native_stack = native_stack;
    recording.matcher.allocate(allocation);
    const Capture capture = recording.finish();
    std::vector<std::string> result;
    for (const DisplayFrame& frame : shown_stack(capture)) result.insert(result.begin(), std::string(frame.function));
    return result;
  }

  Recording recording;
  Definitions& definitions = recording.definitions;
  std::uint64_t next_address = 0x1000;
};

using Names = std::vector<std::string>;
constexpr auto kLoop = "_PyEval_EvalFrameDefault";

}  // namespace

TEST_CASE("Python functions stand where the interpreter's loop ran them") {
  Hybrid stacks;
  const StackId python = stacks.python({{"module", true}, {"outer", false}, {"callback", true}, {"inner", false}});
  const StackId native = stacks.native({"main", kLoop, "sorted", kLoop, "malloc_caller"});
  REQUIRE(stacks.shown(python, native) ==
          Names{"main", "module", "outer", "sorted", "callback", "inner", "malloc_caller"});
}

TEST_CASE("instructions that are functions are the interpreter's loop as well") {
  Hybrid stacks;
  const StackId python = stacks.python({{"module", true}});
  REQUIRE(stacks.shown(python, stacks.native({"main", "_TAIL_CALL_CALL", "list_new"})) ==
          Names{"main", "module", "list_new"});
}

TEST_CASE("a loop that has no Python function yet is shown as itself") {
  Hybrid stacks;
  const StackId python = stacks.python({{"module", true}});
  REQUIRE(stacks.shown(python, stacks.native({"main", kLoop, kLoop, "grow"})) ==
          Names{"main", "module", kLoop, "grow"});
}

TEST_CASE("the Python stack alone is shown where the interpreter has no symbols") {
  Hybrid stacks;
  const StackId python = stacks.python({{"module", true}, {"outer", true}});
  REQUIRE(stacks.shown(python, stacks.native({"main", kLoop, "grow"})) == Names{"module", "outer"});
}

TEST_CASE("a function counts once a stack, however deep it recurses") {
  Recording recording;
  const Call fib1{"fib", "/app/fib.py", 1}, fib2{"fib", "/app/fib.py", 2}, main{"main", "/app/fib.py", 9};
  recording.allocate(0x10, 100, recording.stack({main, fib1, fib2, fib1}));
  recording.allocate(0x20, 10, recording.stack({main, fib1}));
  recording.allocate(0x30, 1, recording.stack({main}));
  recording.allocate(0x40, 5, kNoStack);
  const Capture capture = recording.finish();
  const auto totals = functions(capture, peak(capture));
  REQUIRE(totals.size() == 3);
  REQUIRE(totals[0].function == "fib");
  REQUIRE(totals[0].own_bytes == 110);
  REQUIRE(totals[0].total_bytes == 110);
  REQUIRE(totals[0].count == 2);
  REQUIRE(totals[1].function == "main");
  REQUIRE(totals[1].own_bytes == 1);
  REQUIRE(totals[1].total_bytes == 111);
  REQUIRE(totals[1].count == 3);
  REQUIRE(totals[2].function.empty());
  REQUIRE(totals[2].own_bytes == 5);
}

}  // namespace memray::test
