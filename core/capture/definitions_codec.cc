#include "capture/definitions_codec.h"

#include <algorithm>

namespace memray::format {
namespace {

// A section of more bytes than this is closed; the rest goes to the next block. Entries are of 1 MiB at most.
constexpr std::size_t kSectionBytes = std::size_t{4} << 20;

constexpr std::uint8_t kNativeFrame = 1;  // flags of a frame
constexpr std::uint8_t kEntryFrame = 2;
constexpr std::uint8_t kVariableSize = 0x80;  // added to the allocator of a site

template <typename Id>
Id id_of(std::size_t number) {
  return Id{static_cast<std::uint32_t>(number)};
}

void write_location(ByteWriter& out, const Location& location) {
  out.varint(index(location.function));
  out.varint(index(location.file));
  out.varint(location.line);
}

// Numbers that name something are checked against how many there are.
template <typename Id>
Id read_id(ByteReader& in, std::size_t count) {
  const std::uint32_t number = in.varint32();
  if (number >= count) in.fail();
  return in.ok() ? Id{number} : Id{};
}

Location read_location(ByteReader& in, const Definitions& definitions) {
  Location location;
  location.function = read_id<StringId>(in, definitions.strings());
  location.file = read_id<StringId>(in, definitions.strings());
  location.line = in.varint32();
  return location;
}

Frame read_frame(ByteReader& in, const Definitions& definitions) {
  Frame frame;
  const std::uint8_t flags = in.u8();
  frame.entry = (flags & kEntryFrame) != 0;
  if ((flags & kNativeFrame) != 0) {
    frame.kind = FrameKind::native;
    const std::uint32_t module = in.varint32();
    if (module > definitions.modules()) in.fail();
    frame.module = module == 0 ? kNoModule : ModuleId{module - 1};
    frame.address = in.varint();
  } else {
    frame.location = read_location(in, definitions);
  }
  return frame;
}

Site read_site(ByteReader& in, const Definitions& definitions, const Site& previous) {
  Site site;
  const std::uint64_t stack = apply_delta(index(previous.stack), in.varint());
  const std::uint64_t native = apply_delta(index(previous.native_stack), in.varint());
  if (stack >= definitions.stacks() || native >= definitions.stacks()) in.fail();
  const std::uint32_t thread = in.varint32();
  if (thread > definitions.threads()) in.fail();
  const std::uint8_t what = in.u8();
  if (!in.ok()) return {};
  site.stack = id_of<StackId>(stack);
  site.native_stack = id_of<StackId>(native);
  site.thread = thread == 0 ? kMergedThreads : ThreadId{thread - 1};
  site.allocator = static_cast<Allocator>(what & ~kVariableSize);
  site.fixed_size = (what & kVariableSize) == 0;
  if (site.fixed_size) site.size = in.varint();
  return site;
}

// Reads entries until the section ends. `add` returns the number that an entry got: one that is not new is a mistake,
// as it would shift all that follow.
template <typename Add>
bool read_table(std::span<const std::byte> raw, std::size_t count, Add add) {
  ByteReader in(raw);
  if (in.varint() != count || !in.ok()) return false;
  while (!in.at_end()) {
    const std::size_t number = add(in, count);
    if (!in.ok() || number != count) return false;
    ++count;
  }
  return true;
}

}  // namespace

template <typename WriteEntry>
void DefinitionsWriter::write_table(BlockBuilder& block, SectionId id, std::size_t& written, std::size_t count,
                                    WriteEntry write_entry) {
  if (written == count) return;
  ByteWriter out;
  out.varint(written);
  for (; written < count && out.size() < kSectionBytes; ++written) write_entry(out, written);
  block.add_section(id, out.bytes());
}

void DefinitionsWriter::write(BlockBuilder& block) {
  const Definitions& d = definitions_;
  // The entries that every table starts with are not written.
  strings_ = std::max<std::size_t>(strings_, 1);
  stacks_ = std::max<std::size_t>(stacks_, 1);

  write_table(block, SectionId::strings, strings_, d.strings(),
              [&](ByteWriter& out, std::size_t n) { out.text(d.string(id_of<StringId>(n))); });
  if (strings_ < d.strings()) return;  // what follows may name strings still to come
  write_table(block, SectionId::processes, processes_, d.processes(), [&](ByteWriter& out, std::size_t n) {
    const Process& process = d.process(id_of<ProcessId>(n));
    out.varint(process.pid);
    out.varint(process.parent_pid);
    out.varint(index(process.command_line));
    out.varint(zigzag(nanoseconds(process.start)));
  });
  if (processes_ < d.processes()) return;
  write_table(block, SectionId::threads, threads_, d.threads(), [&](ByteWriter& out, std::size_t n) {
    const Thread& thread = d.thread(id_of<ThreadId>(n));
    out.varint(index(thread.process));
    out.varint(thread.number);
    out.varint(thread.os_tid);
    out.varint(index(thread.name));
    thread_names_.push_back(thread.name);
  });
  if (threads_ < d.threads()) return;
  write_table(block, SectionId::modules, modules_, d.modules(), [&](ByteWriter& out, std::size_t n) {
    const Module& module = d.module(id_of<ModuleId>(n));
    out.varint(index(module.process));
    out.varint(index(module.path));
    out.varint(index(module.build_id));
    out.varint(module.start);
    out.varint(module.end);
    out.varint(module.file_offset);
  });
  if (modules_ < d.modules()) return;
  write_table(block, SectionId::frames, frames_, d.frames(), [&](ByteWriter& out, std::size_t n) {
    const Frame& frame = d.frame(id_of<FrameId>(n));
    const bool native = frame.kind == FrameKind::native;
    out.u8(static_cast<std::uint8_t>((native ? kNativeFrame : 0) | (frame.entry ? kEntryFrame : 0)));
    if (native) {
      out.varint(frame.module == kNoModule ? 0 : std::uint64_t{index(frame.module)} + 1);
      out.varint(frame.address);
    } else {
      write_location(out, frame.location);
    }
  });
  if (frames_ < d.frames()) return;
  write_table(block, SectionId::stacks, stacks_, d.stacks(), [&](ByteWriter& out, std::size_t n) {
    const Stack& stack = d.stack(id_of<StackId>(n));
    out.varint(n - index(stack.parent));
    out.varint(index(stack.frame));
  });
  if (stacks_ < d.stacks()) return;
  Site previous;
  write_table(block, SectionId::sites, sites_, d.sites(), [&](ByteWriter& out, std::size_t n) {
    const Site& site = d.site(id_of<SiteId>(n));
    out.varint(encode_delta(index(site.stack), index(previous.stack)));
    out.varint(encode_delta(index(site.native_stack), index(previous.native_stack)));
    out.varint(site.thread == kMergedThreads ? 0 : std::uint64_t{index(site.thread)} + 1);
    out.u8(
        static_cast<std::uint8_t>(static_cast<std::uint8_t>(site.allocator) | (site.fixed_size ? 0 : kVariableSize)));
    if (site.fixed_size) out.varint(site.size);
    previous = site;
  });
  write_thread_names(block);
  write_table(block, SectionId::locations, located_, d.located_frames().size(), [&](ByteWriter& out, std::size_t n) {
    const FrameId frame = d.located_frames()[n];
    out.varint(index(frame));
    out.varint(d.locations(frame).size());
    for (const Location& location : d.locations(frame)) write_location(out, location);
  });
}

void DefinitionsWriter::write_thread_names(BlockBuilder& block) {
  ByteWriter out;
  for (std::size_t n = 0; n < thread_names_.size(); ++n) {
    const StringId name = definitions_.thread(id_of<ThreadId>(n)).name;
    if (name == thread_names_[n]) continue;
    out.varint(n);
    out.varint(index(name));
    thread_names_[n] = name;
  }
  if (!out.empty()) block.add_section(SectionId::thread_names, out.bytes());
}

bool read_definitions(SectionId id, std::span<const std::byte> raw, Definitions& d) {
  switch (id) {
    case SectionId::strings:
      return read_table(raw, d.strings(), [&](ByteReader& in, std::size_t) {
        const std::string_view text = in.text();
        return index(in.ok() ? d.add_string(text) : StringId{});
      });
    case SectionId::processes:
      return read_table(raw, d.processes(), [&](ByteReader& in, std::size_t) {
        Process process;
        process.pid = in.varint32();
        process.parent_pid = in.varint32();
        process.command_line = read_id<StringId>(in, d.strings());
        process.start = Time{unzigzag(in.varint())};
        return index(d.add_process(process));
      });
    case SectionId::threads:
      return read_table(raw, d.threads(), [&](ByteReader& in, std::size_t) {
        Thread thread;
        thread.process = read_id<ProcessId>(in, d.processes());
        thread.number = in.varint32();
        thread.os_tid = in.varint32();
        thread.name = read_id<StringId>(in, d.strings());
        return index(d.add_thread(thread));
      });
    case SectionId::modules:
      return read_table(raw, d.modules(), [&](ByteReader& in, std::size_t) {
        Module module;
        module.process = read_id<ProcessId>(in, d.processes());
        module.path = read_id<StringId>(in, d.strings());
        module.build_id = read_id<StringId>(in, d.strings());
        module.start = in.varint();
        module.end = in.varint();
        module.file_offset = in.varint();
        return index(d.add_module(module));
      });
    case SectionId::frames:
      return read_table(raw, d.frames(), [&](ByteReader& in, std::size_t) {
        const Frame frame = read_frame(in, d);
        return index(in.ok() ? d.add_frame(frame) : FrameId{});
      });
    case SectionId::stacks:
      return read_table(raw, d.stacks(), [&](ByteReader& in, std::size_t number) {
        const std::uint64_t up = in.varint();
        const auto frame = read_id<FrameId>(in, d.frames());
        if (up == 0 || up > number) in.fail();
        return index(in.ok() ? d.add_stack(id_of<StackId>(number - up), frame) : kNoStack);
      });
    case SectionId::sites: {
      Site previous;
      return read_table(raw, d.sites(), [&](ByteReader& in, std::size_t) {
        previous = read_site(in, d, previous);
        return index(in.ok() ? d.add_site(previous) : SiteId{});
      });
    }
    case SectionId::thread_names: {
      ByteReader in(raw);
      while (!in.at_end()) {
        const auto thread = read_id<ThreadId>(in, d.threads());
        const auto name = read_id<StringId>(in, d.strings());
        if (in.ok()) d.rename_thread(thread, name);
      }
      return in.ok();
    }
    case SectionId::locations: {
      std::vector<Location> locations;
      return read_table(raw, d.located_frames().size(), [&](ByteReader& in, std::size_t number) {
        const auto frame = read_id<FrameId>(in, d.frames());
        std::uint64_t left = in.varint();
        for (locations.clear(); left > 0 && in.ok(); --left) locations.push_back(read_location(in, d));
        if (in.ok()) d.set_locations(frame, locations);
        return number;
      });
    }
    default:
      return true;
  }
}

}  // namespace memray::format
