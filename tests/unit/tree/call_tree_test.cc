#include "call_tree.h"

#include <catch2/catch.hpp>

#include "recording.h"

namespace memray::tree {
namespace {

using test::Recording;

std::vector<std::string> names(const CallTree& tree, NodeId node) {
  std::vector<std::string> result;
  for (const NodeId child : tree[node].children) result.emplace_back(tree[child].frame.function);
  return result;
}

}  // namespace

TEST_CASE("a node has what its frame and all that it called allocated") {
  Recording recording;
  recording.allocate(0x10, 100, recording.stack({{"main", "/a.py", 1}}));
  recording.allocate(0x20, 20, recording.stack({{"main", "/a.py", 1}, {"small", "/a.py", 2}}));
  recording.allocate(0x30, 300, recording.stack({{"main", "/a.py", 1}, {"large", "/a.py", 3}}));
  recording.allocate(0x40, 5, recording.stack({{"main", "/a.py", 9}}));  // another line is another call
  const Capture capture = recording.finish();
  const CallTree tree(capture, peak(capture), 100);

  REQUIRE(tree.root().bytes == 425);
  REQUIRE(tree.root().count == 4);
  REQUIRE(names(tree, kRoot) == std::vector<std::string>{"main", "main"});
  const NodeId main = tree.root().children[0];
  REQUIRE(tree[main].bytes == 420);
  REQUIRE(tree[main].count == 3);
  REQUIRE(tree[main].own_bytes == 100);
  REQUIRE(names(tree, main) == std::vector<std::string>{"large", "small"});
}

TEST_CASE("what is not among the biggest is one leaf, and the root has everything") {
  Recording recording;
  for (std::uint32_t i = 1; i <= 10; ++i) {
    recording.allocate(i * 0x1000, i * 10, recording.stack({{"f" + std::to_string(i), "/a.py", i}}));
  }
  const Capture capture = recording.finish();
  const CallTree tree(capture, peak(capture), 3);
  REQUIRE(tree.rest_stacks() == 7);
  REQUIRE(tree.root().bytes == 550);
  REQUIRE(tree.root().children.size() == 4);
  const Node& rest = tree[tree.root().children[0]];
  REQUIRE(rest.rest);
  REQUIRE(rest.bytes == 10 + 20 + 30 + 40 + 50 + 60 + 70);
  REQUIRE(rest.count == 7);
}

TEST_CASE("the import system and all below it are marked") {
  Recording recording;
  recording.allocate(0x10, 1,
                     recording.stack({{"_run", "<frozen runpy>", 1},
                                      {"main", "/a.py", 1},
                                      {"_load", "<frozen importlib._bootstrap>", 2},
                                      {"<module>", "/b.py", 3}}));
  const Capture capture = recording.finish();
  const CallTree tree(capture, peak(capture), 10);
  std::vector<std::pair<bool, bool>> marks;
  for (NodeId id = 1; id < tree.size(); ++id) marks.emplace_back(tree[id].dull, tree[id].importing);
  REQUIRE(marks == std::vector<std::pair<bool, bool>>{{true, false}, {false, false}, {true, true}, {false, true}});
}

TEST_CASE("roles of frames") {
  const auto native = [](std::string_view function, std::string_view file) {
    return role_of({function, file, 1, FrameKind::native});
  };
  REQUIRE(native("_PyEval_EvalFrameDefault", "/build/Python/ceval.c") == FrameRole::interpreter);
  REQUIRE(native("method_vectorcall.part.0", "Objects/classobject.c") == FrameRole::interpreter);
  REQUIRE(native("type_call", "/usr/bin/python3.11") == FrameRole::interpreter);
  REQUIRE(native("_PyEval_EvalFrameDefault", "/usr/bin/python3.11") == FrameRole::interpreter);
  REQUIRE(native("PyEval_EvalCode.cold", "/usr/lib/libpython3.12.so.1.0") == FrameRole::interpreter);
  REQUIRE(native("method_vectorcall_NOARGS", "Objects/descrobject.c") == FrameRole::interpreter);
  REQUIRE(native("list_resize", "Objects/listobject.c") == FrameRole::ordinary);
  REQUIRE(native("list_append", "/usr/bin/python3.11") == FrameRole::ordinary);
  REQUIRE(native("PyEval_of_mine", "/home/a/mine.cc") == FrameRole::ordinary);
  REQUIRE(native("type_call", "/home/me/types.c") == FrameRole::ordinary);
  REQUIRE(native("PyObject_Call", "/usr/lib/libother.so") == FrameRole::ordinary);
  REQUIRE(role_of({"f", "/app/a.py", 1, FrameKind::python}) == FrameRole::ordinary);
  REQUIRE(role_of({"_PyEval_EvalFrameDefault", "/app/a.py", 1, FrameKind::python}) == FrameRole::ordinary);
  REQUIRE(role_of({"_run_code", "<frozen runpy>", 1, FrameKind::python}) == FrameRole::launcher);
  REQUIRE(role_of({"_find", "<frozen importlib._bootstrap>", 1, FrameKind::python}) == FrameRole::import_system);
  REQUIRE(role_of({"f", "/usr/lib/python3.9/runpy.py", 1, FrameKind::python}) == FrameRole::launcher);
}

}  // namespace memray::tree
