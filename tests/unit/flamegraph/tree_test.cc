// The tree against a recomputation that shares no idea with it: a map from paths to sums, filled by adding every stack
// to each of its prefixes.
#include "tree.h"
#include "level_tree.h"

#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace memray::flamegraph {
namespace {

using Path = std::vector<std::string>;  // "function@file:line", outermost first; split trees begin with the thread

std::string text_of(const DisplayFrame& frame) {
  return std::string(frame.function) + "@" + std::string(frame.file) + ":" + std::to_string(frame.line) +
         (frame.kind == FrameKind::native ? "n" : "p");
}

// Paths of all nodes, read back from preorder and depth alone.
std::map<Path, Sums> paths_of(const Tree& tree, const FrameTable& frames, bool threads = false) {
  std::map<Path, Sums> paths;
  Path path;
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    REQUIRE(tree.nodes[i].depth <= path.size());
    path.resize(tree.nodes[i].depth);
    std::string text = text_of(frames[tree.nodes[i].frame]);
    if (threads && tree.nodes[i].depth == 1) text = std::to_string(tree.nodes[i].thread) + "/" + text;
    path.push_back(text);
    const auto [place, fresh] = paths.try_emplace(path, tree.nodes[i].sums);
    CHECK(fresh);
  }
  return paths;
}

struct Program {
  std::vector<DisplayFrame> functions;
  std::vector<std::vector<DisplayFrame>> stacks;
  std::vector<Sums> sums;
  std::vector<std::uint32_t> threads;
};

Program random_program(unsigned seed, std::size_t stacks, int threads) {
  static const std::vector<std::string> names = {"main", "f", "g", "h", "<listcomp>", "größe"};
  static const std::vector<std::string> files = {"/a.py", "/b.py", ""};
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return std::size_t{random() % n}; };
  Program program;
  for (std::size_t i = 0; i < stacks; ++i) {
    std::vector<DisplayFrame> stack(below(8));
    for (DisplayFrame& frame : stack) {
      frame = {names[below(names.size())], files[below(files.size())], static_cast<std::uint32_t>(below(2)),
               below(5) == 0 ? FrameKind::native : FrameKind::python};
    }
    program.stacks.push_back(stack);
    program.sums.push_back({.bytes = below(1u << below(24)), .count = 1 + below(9)});
    program.threads.push_back(static_cast<std::uint32_t>(below(threads)));
  }
  return program;
}

std::map<Path, Sums> expected_paths(const Program& program, bool threads = false) {
  std::map<Path, Sums> paths;
  const auto add = [&](const Path& path, const Sums& sums) { paths[path] += sums; };
  for (std::size_t i = 0; i < program.stacks.size(); ++i) {
    Path path = {"<root>@:0n"};
    add(path, program.sums[i]);
    for (const DisplayFrame& frame : program.stacks[i]) {
      std::string text = text_of(frame);
      if (threads && path.size() == 1) text = std::to_string(program.threads[i]) + "/" + text;
      path.push_back(text);
      add(path, program.sums[i]);
    }
  }
  return paths;
}

Tree build(const Program& program, FrameTable& frames, bool threads, const Pruning& pruning) {
  TreeBuilder builder;
  for (std::size_t i = 0; i < program.stacks.size(); ++i) {
    std::vector<FrameNumber> path;
    for (const DisplayFrame& frame : program.stacks[i]) path.push_back(frames.number(frame));
    builder.add(path, threads ? program.threads[i] : 0, program.sums[i]);
  }
  return std::move(builder).finish(frames, pruning);
}

constexpr Pruning kKeepAll = {.limit = 0, .max_nodes = 1'000'000};

}  // namespace

TEST_CASE("every prefix of every stack is a node with the sums of what it holds") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    Program program = random_program(seed, 400, 1);
    for (Sums& sums : program.sums) ++sums.bytes;
    FrameTable frames;
    CHECK(paths_of(build(program, frames, false, kKeepAll), frames) == expected_paths(program));
  }
}

TEST_CASE("threads have subtrees of their own") {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    const Program program = random_program(seed, 300, 4);
    FrameTable frames;
    CHECK(paths_of(build(program, frames, true, kKeepAll), frames, true) == expected_paths(program, true));
  }
}

TEST_CASE("siblings come largest first") {
  const Program program = random_program(7, 500, 1);
  FrameTable frames;
  const Tree tree = build(program, frames, false, kKeepAll);
  std::vector<std::uint64_t> last_at_depth;
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    if (tree.nodes[i].depth < last_at_depth.size()) {
      CHECK(tree.nodes[i].sums.bytes <= last_at_depth[tree.nodes[i].depth]);
    }
    last_at_depth.resize(tree.nodes[i].depth);
    last_at_depth.push_back(tree.nodes[i].sums.bytes);
  }
}

TEST_CASE("nodes under the limit are merged, and nothing is lost") {
  const Program program = random_program(11, 3000, 1);
  FrameTable frames;
  const Pruning pruning = {.limit = 0.002, .max_nodes = 1'000'000};
  const Tree tree = build(program, frames, false, pruning);
  const auto expected = expected_paths(program);
  const Sums total = expected.at({"<root>@:0n"});
  const auto large = [&](const Sums& sums) {
    return static_cast<double>(sums.bytes) >= 0.002 * static_cast<double>(total.bytes) ||
           static_cast<double>(sums.count) >= 0.002 * static_cast<double>(total.count);
  };

  std::map<Path, Sums> shown;
  std::map<Path, Sums> merged;
  std::uint64_t left_out = 0;
  for (const auto& [path, sums] : expected) {
    if (large(sums)) {
      shown[path] = sums;
      continue;
    }
    ++left_out;
    Path parent(path.begin(), path.end() - 1);
    if (!large(expected.at(parent))) continue;
    parent.push_back("(merged)@:0n");
    merged[parent] += sums;
  }
  shown.merge(merged);
  CHECK(left_out > 100);
  CHECK(tree.merged == left_out);
  CHECK(paths_of(tree, frames) == shown);
}

TEST_CASE("a tree that is made level by level shows the same") {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    const Program program = random_program(seed, 2000, 1);
    for (const double limit : {0.0, 0.001, 0.02, 0.3}) {
      for (const std::size_t first_depth : {1, 2, 3, 12}) {
        FrameTable frames;
        const Pruning pruning = {.limit = limit, .max_nodes = 1'000'000};
        const Tree whole = build(program, frames, false, pruning);
        WeightedStacks stacks;
        stacks.sums = program.sums;
        stacks.frames_of = [&](std::size_t i, std::vector<FrameNumber>& path) {
          path.clear();
          for (const DisplayFrame& frame : program.stacks[i]) path.push_back(frames.number(frame));
        };
        const Tree tree = tree_by_levels(stacks, frames, pruning, first_depth);
        CHECK(paths_of(tree, frames) == paths_of(whole, frames));
        CHECK(tree.merged <= whole.merged);
      }
    }
  }
}

TEST_CASE("what is merged stays in its thread") {
  FrameTable frames;
  TreeBuilder builder;
  const FrameNumber big[] = {frames.number({"big", "a.py", 1, FrameKind::python})};
  const FrameNumber small[] = {frames.number({"small", "a.py", 2, FrameKind::python})};
  builder.add(big, 0, {.bytes = 1'000'000, .count = 1000});
  builder.add(small, 1, {.bytes = 7, .count = 1});
  builder.add(small, 2, {.bytes = 9, .count = 1});
  const Tree tree = std::move(builder).finish(frames, {.limit = 0.01, .max_nodes = 100});
  REQUIRE(tree.nodes.size() == 4);
  std::vector<std::uint64_t> bytes;
  std::vector<std::uint32_t> threads;
  for (const Tree::Node& node : tree.nodes) bytes.push_back(node.sums.bytes), threads.push_back(node.thread);
  CHECK(bytes == std::vector<std::uint64_t>{1'000'016, 1'000'000, 7, 9});
  CHECK(threads == std::vector<std::uint32_t>{0, 0, 1, 2});
}

TEST_CASE("every stack is told where it is shown, and its sums are found there") {
  const Program program = random_program(13, 2000, 3);
  FrameTable frames;
  TreeBuilder builder;
  std::vector<std::uint32_t> node_of;
  for (std::size_t i = 0; i < program.stacks.size(); ++i) {
    std::vector<FrameNumber> path;
    for (const DisplayFrame& frame : program.stacks[i]) path.push_back(frames.number(frame));
    node_of.push_back(builder.add(path, program.threads[i], program.sums[i]));
  }
  const Tree tree = std::move(builder).finish(frames, {.limit = 0.003, .max_nodes = 1'000'000});
  std::vector<Sums> own(tree.nodes.size());
  for (std::size_t i = 0; i < node_of.size(); ++i) own[tree.shown_as[node_of[i]]] += program.sums[i];
  std::vector<Sums> sums(tree.nodes.size());
  for (std::size_t i = tree.nodes.size(); i-- > 0;) {
    sums[i] += own[i];
    std::size_t parent = i;
    while (parent > 0 && tree.nodes[parent].depth >= tree.nodes[i].depth) --parent;
    if (i > 0) sums[parent] += sums[i];
    CHECK(sums[i] == tree.nodes[i].sums);
  }
}

TEST_CASE("what was large before is shown although it is gone") {
  FrameTable frames;
  TreeBuilder builder;
  const FrameNumber stays[] = {frames.number({"stays", "a.py", 1, FrameKind::python})};
  const FrameNumber gone[] = {frames.number({"gone", "a.py", 2, FrameKind::python})};
  builder.add(stays, 0, {.bytes = 1000, .count = 1, .bytes_before = 1000, .count_before = 1});
  builder.add(gone, 0, {.bytes_before = 50, .count_before = 1});
  const Tree tree = std::move(builder).finish(frames);
  REQUIRE(tree.nodes.size() == 3);
  CHECK(tree.nodes[2].sums == Sums{.bytes_before = 50, .count_before = 1});
}

TEST_CASE("a report never has more nodes than allowed, apart from merged ones") {
  const Program program = random_program(3, 5000, 1);
  FrameTable frames;
  const Tree tree = build(program, frames, false, {.limit = 1e-9, .max_nodes = 50});
  std::size_t real = 0;
  for (const Tree::Node& node : tree.nodes) real += node.frame == FrameTable::kMerged ? 0 : 1;
  CHECK(real <= 50);
  CHECK(tree.limit > 1e-9);
  CHECK(tree.nodes[0].sums.bytes == expected_paths(program).at({"<root>@:0n"}).bytes);
}

TEST_CASE("nothing recorded is a root alone") {
  FrameTable frames;
  const Tree tree = TreeBuilder().finish(frames);
  REQUIRE(tree.nodes.size() == 1);
  CHECK(tree.nodes[0].sums.bytes == 0);
}

TEST_CASE("allocations without any stack belong to the root") {
  FrameTable frames;
  TreeBuilder builder;
  builder.add({}, 0, {.bytes = 100, .count = 2});
  const Tree tree = std::move(builder).finish(frames);
  REQUIRE(tree.nodes.size() == 1);
  CHECK(tree.nodes[0].sums.bytes == 100);
  CHECK(tree.nodes[0].sums.count == 2);
}

TEST_CASE("a very deep recursion needs no deep recursion") {
  FrameTable frames;
  TreeBuilder builder;
  const std::vector<FrameNumber> path(200'000, frames.number({"recurse", "deep.py", 3, FrameKind::python}));
  builder.add(path, 0, {.bytes = 64, .count = 1});
  const Tree tree = std::move(builder).finish(frames, {.limit = 0, .max_nodes = 1'000'000});
  REQUIRE(tree.nodes.size() == path.size() + 1);
  CHECK(tree.nodes.back().depth == path.size());
  CHECK(tree.nodes.back().sums.bytes == 64);
}

TEST_CASE("frames are told apart by text, not by where the text lies") {
  FrameTable frames;
  const std::string a = "function", b = "function";
  const FrameNumber one = frames.number({a, "file.py", 1, FrameKind::python});
  CHECK(frames.number({b, "file.py", 1, FrameKind::python}) == one);
  CHECK(frames.number({std::string_view(a).substr(0, 4), "file.py", 1, FrameKind::python}) != one);
  CHECK(frames.number({a, "file.py", 2, FrameKind::python}) != one);
  CHECK(frames.number({a, "file.py", 1, FrameKind::native}) != one);
  CHECK(frames.number({"file.py", a, 1, FrameKind::python}) != one);
}

}  // namespace memray::flamegraph
