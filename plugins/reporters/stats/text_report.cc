#include <fmt/format.h>
#include <memray/objects.h>
#include <memray/text.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "report.h"

namespace memray::stats {
namespace {

class Text {
 public:
  template <typename... Args>
  void section(fmt::format_string<Args...> heading, Args&&... args) {
    if (!text_.empty()) text_ += '\n';
    line(heading, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_histogram(Text& text, const std::vector<SizeBin>& bins) {
  constexpr std::uint64_t kLongestBar = 25;
  std::uint64_t fullest = 0;
  std::size_t size_width = 0;
  const auto edge = [&](std::size_t i) {
    const bool last = i + 1 == bins.size();
    return fmt::format("{} {}", last ? "<=" : "< ", size_text(bins[i].max_bytes + !last));
  };
  for (std::size_t i = 0; i < bins.size(); ++i) {
    fullest = std::max(fullest, bins[i].count);
    size_width = std::max(size_width, edge(i).size());
  }
  const std::size_t count_width = std::to_string(fullest).size();
  for (std::size_t i = 0; i < bins.size(); ++i) {
    std::string bar;
    if (fullest != 0)
      for (std::uint64_t blocks = (bins[i].count * kLongestBar + fullest - 1) / fullest; blocks > 0; --blocks)
        bar += "▇";
    const std::string count = pad_left(std::to_string(bins[i].count), count_width);
    text.line("  {}: {}{}{}", pad_right(edge(i), size_width), count, bar.empty() ? "" : " ", bar);
  }
}

void add_allocators(Text& text, const std::map<Allocator, std::uint64_t>& counts) {
  std::vector<std::pair<Allocator, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::greater<>(), &std::pair<Allocator, std::uint64_t>::second);
  for (const auto& [allocator, count] : sorted) text.line("  {}: {}", upper_name(allocator), count);
}

}  // namespace

std::string location_text(const Definitions& definitions, const Location& location) {
  if (location == Location{}) return "<stack trace unavailable>";
  const std::string_view function = definitions.string(location.function);
  return fmt::format("{}:{}:{}", function.empty() ? "<unknown>" : function, definitions.string(location.file),
                     location.line);
}

std::string upper_name(Allocator allocator) {
  std::string upper(name(allocator));
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

void add_objects(Text& text, const Capture& capture) {
  std::uint64_t created = 0, surviving = 0;
  for (const ObjectGroup& group : object_groups(capture)) {
    created += group.created;
    surviving += group.surviving;
  }
  text.section("Python objects:");
  text.line("  {} made while recording, {} of them there at its end (memray objects shows them)", created, surviving);
}

std::string text_report(const Capture& capture, const Statistics& statistics) {
  const Definitions& definitions = capture.definitions();
  const auto place = [&](const LocationTotal& total) { return printable(location_text(definitions, total.location)); };
  Text text;
  for (const std::string& reservation : reservations(capture.metadata())) text.section("Note: {}", reservation);
  text.section("Total allocations:");
  text.line("  {}", statistics.allocations);
  text.section("Total memory allocated:");
  text.line("  {}", size_text(statistics.allocated_bytes));
  text.section("Peak memory usage:");
  text.line("  {}", size_text(statistics.peak_bytes));
  text.section("Histogram of allocation sizes:");
  add_histogram(text, statistics.histogram);
  text.section("Allocator type distribution:");
  add_allocators(text, statistics.count_by_allocator);
  text.section("Top {} allocating locations by size:", statistics.top_by_bytes.size());
  for (const LocationTotal& total : statistics.top_by_bytes)
    text.line("  {} -> {}", place(total), size_text(total.bytes));
  text.section("Top {} allocating locations by number of allocations:", statistics.top_by_count.size());
  for (const LocationTotal& total : statistics.top_by_count) text.line("  {} -> {}", place(total), total.count);
  if (has_objects(capture)) add_objects(text, capture);
  if (statistics.top_packages_by_bytes.empty()) return text.take();
  text.section("Top {} modules by allocation size:", statistics.top_packages_by_bytes.size());
  for (const PackageTotal& total : statistics.top_packages_by_bytes)
    text.line("  {} -> {}", printable(total.package), size_text(total.bytes));
  text.section("Top {} modules by number of allocations:", statistics.top_packages_by_count.size());
  for (const PackageTotal& total : statistics.top_packages_by_count)
    text.line("  {} -> {}", printable(total.package), total.count);
  return text.take();
}

}  // namespace memray::stats
