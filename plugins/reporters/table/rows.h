// From a snapshot to the rows of a table: one a place that allocates, allocator, and, where they are told apart,
// thread.
#pragma once

#include "html_common/frame_table.h"

#include <memray/query.h>

#include <cstdint>
#include <string>
#include <vector>

namespace memray::table {

using html::FrameNumber;
using html::FrameTable;

struct Row {
  FrameNumber frame{};  // the innermost one; kRoot where there is none
  Allocator allocator = Allocator::none;
  std::uint32_t thread = 0;
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
};

struct Rows {
  std::vector<Row> rows;  // most bytes first
  std::vector<std::string> threads;
  // A page holds so many rows; the sums of all others are in the last one, whose frame is kMerged.
  std::uint64_t merged = 0;
};

Rows make_rows(const Capture& capture, const Snapshot& snapshot, FrameTable& frames, bool split,
               std::size_t max_rows = 50'000);

}  // namespace memray::table
