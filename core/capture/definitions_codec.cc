#include "capture/definitions_codec.h"

#include <algorithm>

#include "capture/rows.h"

namespace memray::format {
namespace {

// A section of more than this is closed; the rest goes to the next block. Strings are of 1 MiB at most.
constexpr std::size_t kStringBytes = std::size_t{4} << 20;
constexpr std::size_t kRows = std::size_t{1} << 18;

constexpr std::uint64_t kNativeFrame = 1;  // flags of a frame
constexpr std::uint64_t kEntryFrame = 2;
constexpr std::uint64_t kVariableSize = 0x80;  // added to the allocator of a site

constexpr Differences kProcessDifferences = 0b1000;
constexpr Differences kThreadDifferences = 0b0000;
constexpr Differences kModuleDifferences = 0b111110;
constexpr Differences kFrameDifferences = 0b111110;
constexpr Differences kStackDifferences = 0b10;
constexpr Differences kSiteDifferences = 0b00011;
constexpr Differences kThreadNameDifferences = 0b00;
constexpr Differences kNameChangeDifferences = 0b100;
constexpr Differences kLocationDifferences = 0b11101;

template <typename Id>
Id id_of(std::uint64_t number) {
  return Id{static_cast<std::uint32_t>(number)};
}

constexpr bool fits(std::uint64_t value) { return value <= 0xffff'ffff; }

Row<6> row_of(const Frame& frame, const Row<6>& previous) {
  Row<6> row = previous;  // what does not apply differs in nothing
  row[0] = (frame.kind == FrameKind::native ? kNativeFrame : 0) | (frame.entry ? kEntryFrame : 0);
  if (frame.kind == FrameKind::native) {
    row[4] = frame.module == kNoModule ? 0 : std::uint64_t{index(frame.module)} + 1;
    row[5] = frame.address;
  } else {
    row[1] = index(frame.location.function);
    row[2] = index(frame.location.file);
    row[3] = frame.location.line;
  }
  return row;
}

bool is_location(std::uint64_t function, std::uint64_t file, std::uint64_t line, const Definitions& d) {
  return function < d.strings() && file < d.strings() && fits(line);
}

Location location_of(std::uint64_t function, std::uint64_t file, std::uint64_t line) {
  return {id_of<StringId>(function), id_of<StringId>(file), static_cast<std::uint32_t>(line)};
}

// An entry that is not new is a mistake, as it would shift all that follow.
bool add_frame(Definitions& d, const Row<6>& row) {
  Frame frame;
  frame.entry = (row[0] & kEntryFrame) != 0;
  if ((row[0] & kNativeFrame) != 0) {
    if (row[4] > d.modules()) return false;
    frame.kind = FrameKind::native;
    frame.module = row[4] == 0 ? kNoModule : id_of<ModuleId>(row[4] - 1);
    frame.address = row[5];
  } else {
    if (!is_location(row[1], row[2], row[3], d)) return false;
    frame.location = location_of(row[1], row[2], row[3]);
  }
  const std::size_t number = d.frames();
  return index(d.add_frame(frame)) == number;
}

bool add_stack(Definitions& d, const Row<2>& row) {
  const std::size_t number = d.stacks();
  if (row[0] == 0 || row[0] > number || row[1] >= d.frames()) return false;
  d.append_stack(id_of<StackId>(number - row[0]), id_of<FrameId>(row[1]));
  return true;
}

Row<5> row_of(const Site& site) {
  return {index(site.stack), index(site.native_stack),
          site.thread == kMergedThreads ? 0 : std::uint64_t{index(site.thread)} + 1,
          static_cast<std::uint64_t>(site.allocator) | (site.fixed_size ? 0 : kVariableSize), site.size};
}

bool add_site(Definitions& d, const Row<5>& row) {
  if (row[0] >= d.stacks() || row[1] >= d.stacks() || row[2] > d.threads() || row[3] > 0xff) return false;
  Site site{id_of<StackId>(row[0]), id_of<StackId>(row[1])};
  site.thread = row[2] == 0 ? kMergedThreads : id_of<ThreadId>(row[2] - 1);
  site.allocator = static_cast<Allocator>(row[3] & ~kVariableSize);
  site.fixed_size = (row[3] & kVariableSize) == 0;
  site.size = site.fixed_size ? row[4] : 0;
  const std::size_t number = d.sites();
  return index(d.add_site(site)) == number;
}

bool add_process(Definitions& d, const Row<4>& row) {
  if (!fits(row[0]) || !fits(row[1]) || row[2] >= d.strings()) return false;
  d.add_process({static_cast<std::uint32_t>(row[0]), static_cast<std::uint32_t>(row[1]), id_of<StringId>(row[2]),
                 Time{static_cast<std::int64_t>(row[3])}});
  return true;
}

bool add_thread(Definitions& d, const Row<4>& row) {
  if (row[0] >= d.processes() || !fits(row[1]) || !fits(row[2]) || row[3] >= d.strings()) return false;
  d.add_thread({id_of<ProcessId>(row[0]), static_cast<std::uint32_t>(row[1]), static_cast<std::uint32_t>(row[2]),
                id_of<StringId>(row[3])});
  return true;
}

bool add_name_change(Definitions& d, const Row<3>& row) {
  if (row[0] >= d.threads() || row[1] >= d.strings()) return false;
  d.add_name_change({id_of<ThreadId>(row[0]), id_of<StringId>(row[1]), row[2]});
  return true;
}

bool add_module(Definitions& d, const Row<6>& row) {
  if (row[0] >= d.processes() || row[1] >= d.strings() || row[2] >= d.strings()) return false;
  d.add_module({id_of<ProcessId>(row[0]), id_of<StringId>(row[1]), id_of<StringId>(row[2]), row[3], row[4], row[5]});
  return true;
}

bool rename_thread(Definitions& d, const Row<2>& row) {
  if (row[0] >= d.threads() || row[1] >= d.strings()) return false;
  d.rename_thread(id_of<ThreadId>(row[0]), id_of<StringId>(row[1]));
  return true;
}

bool read_strings(std::span<const std::byte> raw, Definitions& d) {
  ByteReader in(raw);
  if (in.varint() != d.strings()) return false;
  while (!in.at_end()) {
    const std::size_t number = d.strings();
    const std::string_view text = in.text();
    if (!in.ok() || index(d.add_string(text)) != number) return false;
  }
  return in.ok();
}

bool read_locations(std::span<const std::byte> raw, Definitions& d) {
  std::vector<Location> locations;
  return read_rows<5>(raw, 0, kLocationDifferences, [&](const Row<5>& row) {
    if (row[0] >= d.frames() || !is_location(row[2], row[3], row[4], d)) return false;
    locations.push_back(location_of(row[2], row[3], row[4]));
    if (row[1] != 0) return true;  // so many of this frame are still to come
    d.set_locations(id_of<FrameId>(row[0]), locations);
    locations.clear();
    return true;
  });
}

}  // namespace

template <std::size_t N, typename RowOf>
bool DefinitionsWriter::write_table(BlockBuilder& block, SectionId id, Differences differences, std::size_t& written,
                                    std::size_t count, RowOf row_of) {
  if (written == count) return true;
  const std::size_t first = written;
  const std::size_t end = std::min(count, first + kRows);
  std::vector<Row<N>> rows;
  for (; written < end; ++written) rows.push_back(row_of(written));
  ByteWriter out;
  write_rows<N>(out, first, rows, differences);
  block.add_section(id, out.bytes());
  return written == count;
}

bool DefinitionsWriter::write_strings(BlockBuilder& block) {
  const Definitions& d = definitions_;
  if (strings_ == d.strings()) return true;
  ByteWriter out;
  out.varint(strings_);
  for (; strings_ < d.strings() && out.size() < kStringBytes; ++strings_) out.text(d.string(id_of<StringId>(strings_)));
  block.add_section(SectionId::strings, out.bytes());
  return strings_ == d.strings();
}

// A table that is not written to its end ends the block: what follows may name what is still to come.
void DefinitionsWriter::write(BlockBuilder& block) {
  const Definitions& d = definitions_;
  // The entries that these tables start with are not written.
  strings_ = std::max<std::size_t>(strings_, 1);
  stacks_ = std::max<std::size_t>(stacks_, 1);

  if (!write_strings(block)) return;
  const auto process_row = [&](std::size_t n) {
    const Process& process = d.process(id_of<ProcessId>(n));
    return Row<4>{process.pid, process.parent_pid, index(process.command_line),
                  static_cast<std::uint64_t>(nanoseconds(process.start))};
  };
  if (!write_table<4>(block, SectionId::processes, kProcessDifferences, processes_, d.processes(), process_row)) return;
  const auto thread_row = [&](std::size_t n) {
    const Thread& thread = d.thread(id_of<ThreadId>(n));
    thread_names_.push_back(thread.name);
    return Row<4>{index(thread.process), thread.number, thread.os_tid, index(thread.name)};
  };
  if (!write_table<4>(block, SectionId::threads, kThreadDifferences, threads_, d.threads(), thread_row)) return;
  const auto module_row = [&](std::size_t n) {
    const Module& m = d.module(id_of<ModuleId>(n));
    return Row<6>{index(m.process), index(m.path), index(m.build_id), m.start, m.end, m.file_offset};
  };
  if (!write_table<6>(block, SectionId::modules, kModuleDifferences, modules_, d.modules(), module_row)) return;
  Row<6> frame{};
  const auto frame_row = [&](std::size_t n) { return frame = row_of(d.frame(id_of<FrameId>(n)), frame); };
  if (!write_table<6>(block, SectionId::frames, kFrameDifferences, frames_, d.frames(), frame_row)) return;
  const auto stack_row = [&](std::size_t n) {
    const Stack& stack = d.stack(id_of<StackId>(n));
    return Row<2>{n - index(stack.parent), index(stack.frame)};
  };
  if (!write_table<2>(block, SectionId::stacks, kStackDifferences, stacks_, d.stacks(), stack_row)) return;
  const auto site_row = [&](std::size_t n) { return row_of(d.site(id_of<SiteId>(n))); };
  if (!write_table<5>(block, SectionId::sites, kSiteDifferences, sites_, d.sites(), site_row)) return;
  write_thread_names(block);
  const auto change_row = [&](std::size_t n) {
    const NameChange& change = d.name_changes()[n];
    return Row<3>{index(change.thread), index(change.name), change.event};
  };
  if (!write_table<3>(block, SectionId::name_changes, kNameChangeDifferences, name_changes_, d.name_changes().size(),
                      change_row))
    return;
  write_locations(block);
}

void DefinitionsWriter::write_thread_names(BlockBuilder& block) {
  std::vector<Row<2>> rows;
  for (std::size_t n = 0; n < thread_names_.size(); ++n) {
    const StringId name = definitions_.thread(id_of<ThreadId>(n)).name;
    if (name == thread_names_[n]) continue;
    rows.push_back({n, index(name)});
    thread_names_[n] = name;
  }
  if (rows.empty()) return;
  ByteWriter out;
  write_rows<2>(out, 0, rows, kThreadNameDifferences);
  block.add_section(SectionId::thread_names, out.bytes());
}

void DefinitionsWriter::write_locations(BlockBuilder& block) {
  const std::span<const FrameId> located = definitions_.located_frames();
  std::vector<Row<5>> rows;
  for (; located_ < located.size() && rows.size() < kRows; ++located_) {
    const std::span<const Location> locations = definitions_.locations(located[located_]);
    std::uint64_t left = locations.size();
    for (const Location& l : locations)
      rows.push_back({index(located[located_]), --left, index(l.function), index(l.file), l.line});
  }
  if (rows.empty()) return;
  ByteWriter out;
  write_rows<5>(out, 0, rows, kLocationDifferences);
  block.add_section(SectionId::locations, out.bytes());
}

bool read_definitions(SectionId id, std::span<const std::byte> raw, Definitions& d) {
  const auto into = [&d](auto add) { return [&d, add](const auto& row) { return add(d, row); }; };
  switch (id) {
    case SectionId::strings:
      return read_strings(raw, d);
    case SectionId::processes:
      return read_rows<4>(raw, d.processes(), kProcessDifferences, into(add_process));
    case SectionId::threads:
      return read_rows<4>(raw, d.threads(), kThreadDifferences, into(add_thread));
    case SectionId::modules:
      return read_rows<6>(raw, d.modules(), kModuleDifferences, into(add_module));
    case SectionId::frames:
      return read_rows<6>(raw, d.frames(), kFrameDifferences, into(add_frame));
    case SectionId::stacks:
      return read_rows<2>(raw, d.stacks(), kStackDifferences, into(add_stack));
    case SectionId::sites:
      return read_rows<5>(raw, d.sites(), kSiteDifferences, into(add_site));
    case SectionId::thread_names:
      return read_rows<2>(raw, 0, kThreadNameDifferences, into(rename_thread));
    case SectionId::name_changes:
      return read_rows<3>(raw, d.name_changes().size(), kNameChangeDifferences, into(add_name_change));
    case SectionId::locations:
      return read_locations(raw, d);
    default:
      return true;
  }
}

}  // namespace memray::format
