// The report as one HTML file.
//
// The page is a template, made at build time from web/, with two holes: the title, and a <script
// type="application/json"> element that holds everything this report knows, in plain arrays. Nothing of the recorded
// program is ever written as HTML. The page's Content-Security-Policy allows its own script and style by hash and
// nothing else, no connection included, so even a mistake in the front end could not run or send what a program put
// into its function names.
#pragma once

#include "memory_curve.h"
#include "tree.h"

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace memray::flamegraph {

struct Page {
  std::string title;
  bool leaks = false;
  bool inverted = false;

  const FrameTable* frames = nullptr;
  Tree tree;
  // Only where hiding the import system is more than leaving nodes away: in an inverted graph.
  Tree without_imports;
  std::vector<std::string> threads;  // labels, by the trees' thread numbers; empty if merged

  std::vector<MemoryPoint> memory;
  std::vector<std::string> notes;  // what a reader has to know before trusting the picture

  // For the statistics dialog: texts where `number` is not what is meant.
  enum class Unit { text, count, bytes, milliseconds, epoch_milliseconds };
  struct Fact {
    std::string_view label;
    Unit unit = Unit::text;
    std::uint64_t number = 0;
    std::string text;
  };
  std::vector<Fact> facts;
};

void write_page(std::ostream& out, const Page& page);

// Generated from web/.
std::string_view page_template();

}  // namespace memray::flamegraph
