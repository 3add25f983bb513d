#include "capture/metadata_codec.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace memray::format {
namespace {

// Calls `field(key, member)` for every member of Metadata that has a key of its own: the one list of them.
template <typename M, typename F>
void for_each_field(M& m, F&& field) {
  field("memray_version", m.memray_version);
  field("start_time_ns", m.start_time_ns);
  field("end_ns", m.end);
  field("pid", m.pid);
  field("command_line", m.command_line);
  field("hooks", m.hooks);
  field("unwinders", m.unwinders);
  field("python_version", m.python_version);
  field("python_allocator", m.python_allocator);
  field("native_traces", m.native_traces);
  field("trace_python_allocators", m.trace_python_allocators);
  field("aggregated", m.aggregated);
  field("main_thread", m.main_thread);
  field("entry_stack", m.entry_stack);
  field("ending", m.ending.kind);
  field("ending_code", m.ending.code);
  field("core_dumped", m.ending.core_dumped);
  field("events_from_ns", m.events_from);
  field("dropped_events", m.dropped_events);
  field("unknown_deallocations", m.unknown_deallocations);
}

std::string to_text(const std::string& value) { return value; }
template <typename T>
std::string to_text(T value) {
  return std::to_string(static_cast<std::int64_t>(value));
}
std::string to_text(std::uint64_t value) { return std::to_string(value); }

void from_text(std::string_view text, std::string& value) { value = text; }
template <typename T>
void from_text(std::string_view text, T& value) {
  std::conditional_t<std::is_same_v<T, std::uint64_t>, std::uint64_t, std::int64_t> number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  value = static_cast<T>(number);
}

}  // namespace

MetadataWriter::MetadataWriter() {
  ByteWriter nowhere;
  write(nowhere, {});
}

void MetadataWriter::write(ByteWriter& out, const Metadata& metadata) {
  const auto add = [&](std::string_view key, const std::string& value) {
    const auto [entry, fresh] = written_.try_emplace(std::string(key), value);
    if (!fresh && entry->second == value) return;
    entry->second = value;
    out.text(key);
    out.text(value);
  };
  for_each_field(metadata, [&](std::string_view key, const auto& value) { add(key, to_text(value)); });
  for (const auto& [key, value] : metadata.extra) add(key, value);
}

bool read_metadata(std::span<const std::byte> raw, Metadata& metadata) {
  ByteReader in(raw);
  while (!in.at_end()) {
    const std::string_view key = in.text();
    const std::string_view text = in.text();
    if (!in.ok()) return false;
    bool known = false;
    for_each_field(metadata, [&](std::string_view name, auto& value) {
      if (name != key) return;
      from_text(text, value);
      known = true;
    });
    if (known) continue;
    const auto place =
        std::find_if(metadata.extra.begin(), metadata.extra.end(), [&](const auto& pair) { return pair.first == key; });
    if (place == metadata.extra.end()) {
      metadata.extra.emplace_back(key, text);
    } else {
      place->second = text;
    }
  }
  if (metadata.ending.kind > Ending::Kind::ended) metadata.ending = {};
  return in.ok();
}

}  // namespace memray::format
