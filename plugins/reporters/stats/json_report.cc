// The keys are those that scripts written for other memory profilers of this name expect; so is the shape of the times.

#include <fmt/format.h>
#include <memray/text.h>

#include <cstdlib>
#include <ctime>
#include <iterator>

#include "report.h"

namespace memray::stats {
namespace {

// A moment in local time as Python prints an aware datetime: "2026-01-31 09:05:00.250000+01:00".
std::string datetime_text(std::int64_t ns_since_epoch) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t milliseconds = ns_since_epoch % kSecond / 1'000'000;
  std::time_t seconds = ns_since_epoch / kSecond;
  if (milliseconds < 0) {
    milliseconds += 1000;
    --seconds;
  }
  std::tm local{};
  localtime_r(&seconds, &local);
  const long minutes = std::labs(local.tm_gmtoff) / 60;
  std::string text = fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", local.tm_year + 1900, local.tm_mon + 1,
                                 local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec);
  if (milliseconds != 0) fmt::format_to(std::back_inserter(text), ".{:03}000", milliseconds);
  fmt::format_to(std::back_inserter(text), "{}{:02}:{:02}", local.tm_gmtoff < 0 ? '-' : '+', minutes / 60,
                 minutes % 60);
  return text;
}

std::uint32_t main_thread_number(const Capture& capture) {
  const ThreadId main = capture.metadata().main_thread;
  return index(main) < capture.definitions().threads() ? capture.definitions().thread(main).number : 0;
}

// `"key": [items],`, one item a line, each made by `item`.
template <typename Items, typename Item>
void add_list(std::string& json, std::string_view key, const Items& items, Item item) {
  fmt::format_to(std::back_inserter(json), "  \"{}\": [", key);
  std::string_view separator = "\n    ";
  for (const auto& entry : items) {
    json.append(separator).append(item(entry));
    separator = ",\n    ";
  }
  json += items.empty() ? "],\n" : "\n  ],\n";
}

std::string metadata_json(const Capture& capture, const Statistics& statistics) {
  const Metadata& metadata = capture.metadata();
  std::string json = "{\n";
  const auto add = [&](std::string_view key, const std::string& value, bool last = false) {
    fmt::format_to(std::back_inserter(json), "    \"{}\": {}{}\n", key, value, last ? "" : ",");
  };
  const auto boolean = [](bool value) { return std::string(value ? "true" : "false"); };
  add("start_time", json_string(datetime_text(metadata.start_time_ns)));
  add("end_time", json_string(datetime_text(metadata.start_time_ns + nanoseconds(metadata.end))));
  add("total_allocations", std::to_string(capture.totals().events));
  add("total_frames", std::to_string(capture.definitions().frames()));
  add("peak_memory", std::to_string(statistics.peak_bytes));
  add("command_line", json_string(metadata.command_line));
  add("pid", std::to_string(metadata.pid));
  add("main_thread_id", std::to_string(main_thread_number(capture)));
  add("python_allocator", json_string(metadata.python_allocator.empty() ? "unknown" : metadata.python_allocator));
  add("has_native_traces", boolean(metadata.native_traces));
  add("trace_python_allocators", boolean(metadata.trace_python_allocators));
  if (metadata.dropped_events > 0) add("dropped_events", std::to_string(metadata.dropped_events));
  add("file_format", metadata.aggregated ? "1" : "0", true);  // all allocations, or aggregated ones
  return json + "  }";
}

}  // namespace

std::string json_report(const Capture& capture, const Statistics& statistics) {
  const auto place = [&](const LocationTotal& total) {
    return json_string(location_text(capture.definitions(), total.location));
  };
  const auto package = [](const PackageTotal& total) {
    return fmt::format("{{\"module\": {}, \"num_allocations\": {}, \"total_bytes\": {}}}", json_string(total.package),
                       total.count, total.bytes);
  };
  std::string json = fmt::format("{{\n  \"total_num_allocations\": {},\n  \"total_bytes_allocated\": {},\n",
                                 statistics.allocations, statistics.allocated_bytes);
  add_list(json, "allocation_size_histogram", statistics.histogram, [](const SizeBin& bin) {
    return fmt::format("{{\"min_bytes\": {}, \"max_bytes\": {}, \"count\": {}}}", bin.min_bytes, bin.max_bytes,
                       bin.count);
  });
  json += "  \"allocator_type_distribution\": {";
  std::string_view separator = "\n    ";
  for (const auto& [allocator, count] : statistics.count_by_allocator) {
    fmt::format_to(std::back_inserter(json), "{}\"{}\": {}", separator, upper_name(allocator), count);
    separator = ",\n    ";
  }
  json += statistics.count_by_allocator.empty() ? "},\n" : "\n  },\n";
  add_list(json, "top_allocations_by_size", statistics.top_by_bytes, [&](const LocationTotal& total) {
    return fmt::format("{{\"location\": {}, \"size\": {}}}", place(total), total.bytes);
  });
  add_list(json, "top_allocations_by_count", statistics.top_by_count, [&](const LocationTotal& total) {
    return fmt::format("{{\"location\": {}, \"count\": {}}}", place(total), total.count);
  });
  add_list(json, "top_modules_by_allocation_size", statistics.top_packages_by_bytes, package);
  add_list(json, "top_modules_by_allocation_count", statistics.top_packages_by_count, package);
  json += "  \"metadata\": " + metadata_json(capture, statistics) + "\n}\n";
  return json;
}

}  // namespace memray::stats
