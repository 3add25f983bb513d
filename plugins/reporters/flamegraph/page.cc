#include "page.h"

#include "html_common/frame_list.h"
#include "html_common/packed.h"
#include "html_common/page.h"

#include <ostream>

namespace memray::flamegraph {

std::string_view page_template();  // made from web/

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

void add_tree(Json& json, std::string_view name, const Tree& tree, FrameList& frames, bool threads) {
  const std::vector<Sums> own = own_sums(tree);
  json.key(name);
  json.open('{');
  // How many levels up from being the child of the node before.
  std::uint32_t next_depth = 0;
  json.field("rise", pack(tree.nodes, [&](const Tree::Node& node) {
               const std::uint32_t rise = next_depth - node.depth;
               next_depth = node.depth + 1;
               return std::uint64_t{rise};
             }));
  json.field("frame", pack(tree.nodes, [&](const Tree::Node& node) { return frames.number(node.frame); }));
  json.field("bytes", pack(own, [](const Sums& sums) { return sums.bytes; }));
  json.field("count", pack(own, [](const Sums& sums) { return sums.count; }));
  if (threads)
    json.field("thread", pack(tree.nodes, [](const Tree::Node& node) { return std::uint64_t{node.thread}; }));
  json.field("merged", tree.merged);
  json.key("limit");
  json.value(std::uint64_t{static_cast<std::uint64_t>(tree.limit * 1e6 + 0.5)});  // millionths
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

void write_page(std::ostream& out, const Page& page, html::SourceLines& sources) {
  Json json;
  FrameList frames(*page.frames);
  const bool threads = !page.threads.empty();
  json.open('{');
  add_chrome(json, page.chrome);
  json.field("inverted", page.inverted);
  json.field("sourceLink", page.source_link);
  add_tree(json, "tree", page.tree, frames, threads);
  if (page.without_imports) add_tree(json, "withoutImports", *page.without_imports, frames, threads);
  add_functions(json, page.functions, frames);
  json.list("threads", page.threads);
  frames.add_to(json, sources);
  json.close('}');
  html::write_page(out, page_template(), page.chrome.title, std::move(json).take());
}

}  // namespace memray::flamegraph
