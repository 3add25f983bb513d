#include "collector/module_timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <utility>

namespace memray::collector {

namespace {

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool more() const { return ok_ && !rest_.empty(); }
  bool ok() const { return ok_; }
  std::uint64_t number() {
    std::uint64_t value = 0;
    const std::string_view bytes = text(sizeof value);
    if (ok_) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string_view text(std::size_t size) {
    if (size > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view result(reinterpret_cast<const char*>(rest_.data()), size);
    rest_ = rest_.subspan(size);
    return result;
  }
  std::pair<std::string_view, std::string_view> texts() {
    const std::uint64_t sizes = number();
    const std::string_view first = text(static_cast<std::uint32_t>(sizes));
    return {first, text(sizes >> 32)};
  }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

// How memray attach makes a program load what is no file where it runs.
constexpr std::string_view kLoadedFromMemory = "/proc/self/fd/./";

std::string hexadecimal(std::string_view bytes) {
  std::string result;
  for (const char byte : bytes) fmt::format_to(std::back_inserter(result), "{:02x}", static_cast<unsigned char>(byte));
  return result;
}

// The loader's name of an object says little about the program ("") and may be relative.
std::string path_of(std::string_view name, std::string_view program, std::string_view folder) {
  if (name.empty()) return std::string(program);
  if (name.starts_with('/') || name.find('/') == name.npos) return std::string(name);
  return (std::filesystem::path(folder) / name).lexically_normal().string();
}

}  // namespace

ModuleTimeline::Place ModuleTimeline::place_of(std::uint64_t start, std::uint64_t end, std::uint64_t offset,
                                               std::string_view build_id, std::string_view name,
                                               std::string_view program, std::string_view folder) {
  // A library that is loaded again at its old place is the module it was.
  std::string key = fmt::format("{:x} {:x} {:x} ", start, end, offset);
  key.append(build_id).append(" ").append(name);
  const auto [entry, fresh] = known_.try_emplace(std::move(key));
  if (fresh) {
    entry->second.own = std::ranges::find(setting_->own_files, name) != setting_->own_files.end() ||
                        name.starts_with(kLoadedFromMemory);
    if (entry->second.own) return entry->second;
    const std::string path = path_of(name, program, folder);
    entry->second.module =
        definitions_->add_module({process_, definitions_->add_string(path),
                                  definitions_->add_string(hexadecimal(build_id)), start, end, offset});
    if (setting_->first_mapped) setting_->first_mapped(entry->second.module);
  }
  return entry->second;
}

void ModuleTimeline::add(std::span<const std::byte> bytes) {
  Reader in(bytes);
  List list;
  list.stamp = in.number();
  const auto [program, folder] = in.texts();
  while (in.more()) {
    const std::uint64_t start = in.number();
    const std::uint64_t end = in.number();
    const std::uint64_t offset = in.number();
    const auto [build_id, name] = in.texts();
    if (in.ok()) list.segments.push_back({start, end, place_of(start, end, offset, build_id, name, program, folder)});
  }
  std::ranges::sort(list.segments, {}, &Segment::start);
  const auto at = std::ranges::upper_bound(lists_, list.stamp, {}, &List::stamp);
  lists_.insert(at, std::move(list));
  note_next();
}

bool ModuleTimeline::go_on(std::uint64_t stamp) {
  bool moved = false;
  while (lists_.size() > 1 && lists_[1].stamp <= stamp) {
    lists_.pop_front();
    moved = true;
  }
  note_next();
  return moved;
}

ModuleTimeline::Place ModuleTimeline::find(std::uint64_t address) const {
  for (const List& list : lists_) {
    const auto after = std::ranges::upper_bound(list.segments, address, {}, &Segment::start);
    if (after != list.segments.begin() && address < std::prev(after)->end) return std::prev(after)->place;
  }
  return {};
}

}  // namespace memray::collector
