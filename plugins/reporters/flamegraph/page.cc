#include "page.h"

#include "html_common/frame_list.h"
#include "html_common/packed.h"
#include "html_common/page.h"
#include "temporal.h"

#include <cmath>
#include <ostream>

namespace memray::flamegraph {

namespace {

using html::FrameList;
using html::Json;
using html::pack;

// What a node holds besides its children.
std::vector<Sums> own_sums(const Tree& tree) {
  std::vector<Sums> own;
  std::vector<std::size_t> path;
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const Tree::Node& node = tree.nodes[i];
    path.resize(node.depth);
    if (!path.empty()) own[path.back()] -= node.sums;
    own.push_back(node.sums);
    path.push_back(i);
  }
  return own;
}

void add_shape(Json& json, const Tree& tree, FrameList& frames, bool threads) {
  // How many levels up from being the child of the node before.
  std::uint32_t next_depth = 0;
  json.field("rise", pack(tree.nodes, [&](const Tree::Node& node) {
               const std::uint32_t rise = next_depth - node.depth;
               next_depth = node.depth + 1;
               return std::uint64_t{rise};
             }));
  json.field("frame", pack(tree.nodes, [&](const Tree::Node& node) { return frames.number(node.frame); }));
  if (threads)
    json.field("thread", pack(tree.nodes, [](const Tree::Node& node) { return std::uint64_t{node.thread}; }));
  json.field("merged", tree.merged);
  json.field("limit", static_cast<std::uint64_t>(std::llround(tree.limit * 1e6)));  // millionths
}

void add_tree(Json& json, std::string_view name, const Tree& tree, FrameList& frames, bool threads, bool difference) {
  const std::vector<Sums> own = own_sums(tree);
  json.key(name);
  json.open('{');
  add_shape(json, tree, frames, threads);
  json.field("bytes", pack(own, [](const Sums& sums) { return sums.bytes; }));
  json.field("count", pack(own, [](const Sums& sums) { return sums.count; }));
  if (difference) {
    json.field("bytesBefore", pack(own, [](const Sums& sums) { return sums.bytes_before; }));
    json.field("countBefore", pack(own, [](const Sums& sums) { return sums.count_before; }));
  }
  json.close('}');
}

void add_tree(Json& json, std::string_view name, const TemporalTree& tree, FrameList& frames, bool threads,
              bool /*difference*/) {
  json.key(name);
  json.open('{');
  add_shape(json, tree.tree, frames, threads);
  json.key("intervals");
  json.open('{');
  std::uint32_t last = 0;
  json.field("node", pack(tree.intervals, [&](const NodeInterval& interval) {
               return std::uint64_t{interval.node - std::exchange(last, interval.node)};
             }));
  json.field("from",
             pack(tree.intervals, [](const NodeInterval& interval) { return std::uint64_t{interval.allocated}; }));
  json.field("length", pack(tree.intervals, [](const NodeInterval& interval) {
               return std::uint64_t{interval.deallocated - interval.allocated};
             }));
  json.field("bytes", pack(tree.intervals, [](const NodeInterval& interval) { return interval.bytes; }));
  html::Packed counts;
  for (const NodeInterval& interval : tree.intervals) counts.add_signed(interval.count);
  json.field("count", counts.base64());
  json.close('}');
  json.close('}');
}

void add_slots(Json& json, const TemporalTrees& trees) {
  json.key("temporal");
  json.open('{');
  json.field("kind", trees.kind == TemporalKind::leaks ? "leaks" : "peak");
  std::uint64_t last = 0;
  json.field("borders", pack(trees.slots.borders, [&](Time time) {  // microseconds
               const auto now = static_cast<std::uint64_t>(nanoseconds(time)) / 1000;
               return now - std::exchange(last, now);
             }));
  json.field("highWater", pack(trees.slots.high_water));
  json.close('}');
}

void add_functions(Json& json, const std::vector<FunctionSums>& functions, FrameList& frames) {
  json.key("functions");
  json.open('{');
  json.field("frame", pack(functions, [&](const FunctionSums& f) { return frames.number(f.frame); }));
  json.field("own", pack(functions, [](const FunctionSums& f) { return f.own_bytes; }));
  json.field("total", pack(functions, [](const FunctionSums& f) { return f.total_bytes; }));
  json.field("count", pack(functions, [](const FunctionSums& f) { return f.count; }));
  json.close('}');
}

}  // namespace

std::string page_data(const Page& page, html::SourceLines& sources) {
  Json json;
  FrameList frames(*page.frames);
  const bool threads = !page.threads.empty();
  json.open('{');
  add_chrome(json, page.chrome);
  json.field("inverted", page.inverted);
  json.field("difference", page.difference);
  json.field("sourceLink", page.source_link);
  const auto add_trees = [&](const auto& all, const auto& without_imports) {
    add_tree(json, "tree", all, frames, threads, page.difference);
    if (without_imports) add_tree(json, "withoutImports", *without_imports, frames, threads, page.difference);
  };
  if (page.temporal) {
    add_trees(page.temporal->all, page.temporal->without_imports);
    add_slots(json, *page.temporal);
  } else {
    add_trees(page.tree, page.without_imports);
  }
  add_functions(json, page.functions, frames);
  json.list("threads", page.threads);
  frames.add_to(json, sources);
  json.close('}');
  return std::move(json).take();
}

void write_page(std::ostream& out, const Page& page, html::SourceLines& sources) {
  html::write_page(out, page_template(), page.chrome.title, page_data(page, sources));
}

}  // namespace memray::flamegraph
