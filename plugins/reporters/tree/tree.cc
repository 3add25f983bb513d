// `memray tree`: the calls that lead to memory, to walk through. In a pipe it prints the unfolded tree.

#include "call_tree.h"
#include "screen.h"
#include "tree_view.h"

#include <fmt/format.h>
#include <memray/reporter.h>
#include <memray/text.h>
#include <unistd.h>

#include <iterator>
#include <limits>
#include <ostream>

namespace memray::tree {
namespace {

constexpr double kPrinted = 0.01;  // share of the whole from which a call is printed

std::string label(const CallTree& tree, NodeId id) {
  const Node& node = tree[id];
  if (node.rest) return fmt::format("{} smaller stacks", tree.rest_stacks());
  std::string text = node.frame.function.empty() ? "<unknown>" : printable(node.frame.function);
  if (!node.frame.file.empty()) text += fmt::format("  {}:{}", printable(node.frame.file), node.frame.line);
  return text;
}

// Where lines would be mostly indentation, they say how deep they are.
std::string indentation(std::size_t depth) {
  constexpr std::size_t kDeepest = 60;
  if (depth <= kDeepest) return std::string(depth * 2, ' ');
  return fmt::format("{}‹{}› ", std::string(kDeepest * 2, ' '), depth);
}

// Calls with less than a hundredth of everything are left out: a page to read, not a dump.
void print_text(ReportContext& context, const CallTree& tree) {
  std::ostream& out = context.out();
  struct Pending {
    NodeId node;
    std::size_t depth;
  };
  std::vector<Pending> pending = {{kRoot, 0}};
  std::size_t hidden = 0;
  while (!pending.empty()) {
    const auto [id, depth] = pending.back();
    pending.pop_back();
    const Node& node = tree[id];
    if (static_cast<double>(node.bytes) < kPrinted * static_cast<double>(tree.root().bytes)) {
      ++hidden;
      continue;
    }
    out << fmt::format("{} {} {}{}\n", pad_left(size_text(node.bytes), 10),
                       pad_left(percent_text(node.bytes, tree.root().bytes), 7), indentation(depth), label(tree, id));
    for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
      pending.push_back({*child, depth + 1});
    }
  }
  if (hidden != 0) out << fmt::format("Calls of less than {:.0f}% are not shown.\n", kPrinted * 100);
}

// Flat, with parents by number: nested objects of ten thousand levels break most readers.
void print_json(ReportContext& context, const CallTree& tree) {
  std::ostream& out = context.out();
  out << fmt::format(
      "{{\n  \"total_bytes\": {},\n  \"num_allocations\": {},\n  \"smaller_stacks\": {},\n  \"nodes\": [",
      tree.root().bytes, tree.root().count, tree.rest_stacks());
  for (NodeId id = kRoot; id < tree.size(); ++id) {
    const Node& node = tree[id];
    out << fmt::format(
        "{}\n    {{\"id\": {}, \"parent\": {}, \"function\": {}, \"file\": {}, \"line\": {}, \"bytes\": {}, "
        "\"own_bytes\": {}, \"num_allocations\": {}}}",
        id == kRoot ? "" : ",", id, id == kRoot ? "null" : std::to_string(node.parent),
        json_string(node.rest ? "<smaller stacks>" : node.frame.function), json_string(node.frame.file),
        node.frame.line, node.bytes, node.own_bytes, node.count);
  }
  out << "\n  ]\n}\n";
}

class Tree : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    options.integer("biggest-allocs", 'b', 200, 1, std::numeric_limits<std::int32_t>::max(),
                    "Stacks to show one by one, the largest first; the others are summed up");
    options.flag("json", '\0', "Print JSON");
    options.flag("text", '\0', "Print the tree instead of opening it");
    options.views();
  }

  int run(ReportContext& context) override {
    const Capture& capture = context.capture();
    const Snapshot live = snapshot(capture, context.selection());
    const auto biggest = static_cast<std::size_t>(context.integer("biggest-allocs"));
    const CallTree tree(capture, live, biggest);
    if (context.flag("json")) {
      print_json(context, tree);
    } else if (live.bytes == 0) {
      context.out() << nothing(context.view()) << '\n';
    } else if (context.flag("text") || !context.out_is_terminal() || isatty(STDIN_FILENO) == 0) {
      print_text(context, tree);
    } else {
      context.out().flush();
      browse(tree, {std::string(title(context.view())), capture.metadata().command_line});
    }
    return 0;
  }
};

}  // namespace
}  // namespace memray::tree

MEMRAY_REPORTER(memray::tree::Tree, "tree", "The calls that lead to the memory, to browse in the terminal", "0.1.0")
