#include "rows.h"

#include "html_common/thread_list.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace memray::table {

namespace {

void merge_smallest(Rows& table, std::size_t max_rows) {
  if (table.rows.size() <= max_rows) return;
  Row rest = {.frame = FrameTable::kMerged};
  for (std::size_t i = max_rows - 1; i < table.rows.size(); ++i) {
    rest.bytes += table.rows[i].bytes;
    rest.count += table.rows[i].count;
  }
  table.merged = table.rows.size() - (max_rows - 1);
  table.rows.resize(max_rows - 1);
  table.rows.push_back(rest);
}

}  // namespace

Rows make_rows(const Capture& capture, const Snapshot& snapshot, FrameTable& frames, bool split, std::size_t max_rows) {
  Rows table;
  html::ThreadList threads(capture.definitions());
  std::map<std::tuple<FrameNumber, Allocator, std::uint32_t>, std::size_t> number_of;
  for (const Group& group : snapshot.groups) {
    const std::vector<DisplayFrame> stack = display_stack(capture, group);
    const FrameNumber frame = stack.empty() ? FrameTable::kRoot : frames.number(stack.front());
    const std::uint32_t thread = split ? threads.number(group.thread) : 0;
    const auto [place, fresh] = number_of.try_emplace({frame, group.allocator, thread}, table.rows.size());
    if (fresh) table.rows.push_back({frame, group.allocator, thread, 0, 0});
    table.rows[place->second].bytes += group.bytes;
    table.rows[place->second].count += group.count;
  }
  std::stable_sort(table.rows.begin(), table.rows.end(),
                   [](const Row& a, const Row& b) { return std::tie(b.bytes, b.count) < std::tie(a.bytes, a.count); });
  merge_smallest(table, max_rows);
  table.threads = std::move(threads).take();
  return table;
}

}  // namespace memray::table
