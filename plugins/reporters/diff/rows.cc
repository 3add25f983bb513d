#include "rows.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace memray::diff_report {
namespace {

GroupBy property_of(const std::string& name) {
  constexpr std::pair<std::string_view, GroupBy> kNames[] = {
      {"function", GroupBy::function},   {"file", GroupBy::file},     {"module", GroupBy::module},
      {"library", GroupBy::library},     {"thread", GroupBy::thread}, {"process", GroupBy::process},
      {"allocator", GroupBy::allocator}, {"size", GroupBy::size}};
  for (const auto& [known, property] : kNames)
    if (known == name) return property;
  return GroupBy::stack;
}

std::vector<Row> rows_by_stack(const Side& before, const Side& after) {
  std::vector<Row> rows;
  for (DiffRow& row : diff(before.capture, before.snapshot, after.capture, after.snapshot).rows)
    rows.push_back({std::move(row.stack), "", row.bytes_before, row.bytes_after, row.count_before, row.count_after});
  return rows;
}

}  // namespace

std::vector<Row> rows_by(const std::string& property, const Side& before, const Side& after) {
  if (property == "stack") return rows_by_stack(before, after);
  std::map<std::string, Row> by_name;
  for (const Bucket& bucket : group_by(before.capture, before.snapshot, property_of(property))) {
    Row& row = by_name[bucket.name];
    row.bytes_before = bucket.bytes;
    row.count_before = bucket.count;
  }
  for (const Bucket& bucket : group_by(after.capture, after.snapshot, property_of(property))) {
    Row& row = by_name[bucket.name];
    row.bytes_after = bucket.bytes;
    row.count_after = bucket.count;
  }
  std::vector<Row> rows;
  for (auto& [name, row] : by_name) {
    row.name = name;
    rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, std::greater<>(), &Row::change);
  return rows;
}

}  // namespace memray::diff_report
