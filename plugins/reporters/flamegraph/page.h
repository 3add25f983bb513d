// What a flame graph's page holds, and how it is written down for the front end (web/src/data.ts reads it).
#pragma once

#include "html_common/chrome.h"
#include "html_common/source_lines.h"
#include "tree.h"

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memray::flamegraph {

// One function in the whole snapshot, by a frame of it: small boxes included, unlike in the tree.
struct FunctionSums {
  FrameNumber frame{};
  std::uint64_t own_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t count = 0;
};

struct TemporalTrees;

struct Page {
  html::Chrome chrome;
  bool inverted = false;
  bool difference = false;  // the tree has sums before, too
  const FrameTable* frames = nullptr;
  Tree tree;
  // Only where hiding the import system is more than leaving nodes away: in an inverted graph.
  std::optional<Tree> without_imports;
  std::vector<std::string> threads;  // labels, by the trees' thread numbers; empty if merged
  std::vector<FunctionSums> functions;
  const TemporalTrees* temporal = nullptr;  // in place of the trees above
  std::string source_link;                  // with {file} and {line}; empty for none
};

std::string_view page_template();  // made from web/
std::string page_data(const Page& page, html::SourceLines& sources);
void write_page(std::ostream& out, const Page& page, html::SourceLines& sources);

}  // namespace memray::flamegraph
