#include "definition_lines.h"

namespace memray::parse {
namespace {

void add_processes_and_threads(Lines& lines, const Definitions& definitions) {
  for (std::uint32_t i = 0; i < definitions.processes(); ++i) {
    const Process& process = definitions.process(ProcessId{i});
    lines.add(FMT_COMPILE("PROCESS process={} pid={} parent_pid={} time_ns={} command_line={}"), i, process.pid,
              process.parent_pid, nanoseconds(process.start), quoted(definitions.string(process.command_line)));
  }
  for (std::uint32_t i = 0; i < definitions.threads(); ++i) {
    const Thread& thread = definitions.thread(ThreadId{i});
    lines.add(FMT_COMPILE("THREAD tid={} process={} number={} os_tid={} name={}"), i, index(thread.process),
              thread.number, thread.os_tid, quoted(definitions.string(thread.name)));
  }
  for (std::uint32_t i = 0; i < definitions.modules(); ++i) {
    const Module& module = definitions.module(ModuleId{i});
    lines.add(FMT_COMPILE("MODULE module={} process={} start={:#x} end={:#x} file_offset={:#x} build_id={} path={}"), i,
              index(module.process), module.start, module.end, module.file_offset,
              quoted(definitions.string(module.build_id)), quoted(definitions.string(module.path)));
  }
}

void add_native_frame(Lines& lines, const Definitions& definitions, FrameId id, const Frame& frame) {
  if (frame.module == kNoModule)
    lines.add(FMT_COMPILE("FRAME frame={} kind=native address={:#x}"), index(id), frame.address);
  else
    lines.add(FMT_COMPILE("FRAME frame={} kind=native address={:#x} module={}"), index(id), frame.address,
              index(frame.module));
  for (const Location& location : definitions.locations(id))
    lines.add(FMT_COMPILE("LOCATION frame={} line={} function={} file={}"), index(id), location.line,
              quoted(definitions.string(location.function)), quoted(definitions.string(location.file)));
}

void add_frames_and_stacks(Lines& lines, const Definitions& definitions) {
  for (std::uint32_t i = 0; i < definitions.frames(); ++i) {
    const Frame& frame = definitions.frame(FrameId{i});
    if (frame.kind == FrameKind::native)
      add_native_frame(lines, definitions, FrameId{i}, frame);
    else
      lines.add(FMT_COMPILE("FRAME frame={} kind=python entry={:d} line={} function={} file={}"), i, frame.entry,
                frame.location.line, quoted(definitions.string(frame.location.function)),
                quoted(definitions.string(frame.location.file)));
  }
  for (std::uint32_t i = 1; i < definitions.stacks(); ++i) {
    const Stack& stack = definitions.stack(StackId{i});
    lines.add(FMT_COMPILE("STACK stack={} parent={} frame={} depth={}"), i, index(stack.parent), index(stack.frame),
              stack.depth);
  }
}

void add_sites(Lines& lines, const Definitions& definitions) {
  for (std::uint32_t i = 0; i < definitions.sites(); ++i) {
    const Site& site = definitions.site(SiteId{i});
    lines.add(FMT_COMPILE("SITE site={} tid={} allocator={} stack={} native_stack={} size={}"), i, index(site.thread),
              name(site.allocator), index(site.stack), index(site.native_stack),
              site.fixed_size ? std::to_string(site.size) : "variable");
  }
}

}  // namespace

void add_header(Lines& lines, const Capture& capture) {
  const Metadata& metadata = capture.metadata();
  std::string extra;
  for (const auto& [key, value] : metadata.extra)
    fmt::format_to(std::back_inserter(extra), " {}={}", key, quoted(value));
  lines.add(FMT_COMPILE("HEADER memray_version={} python_version={} native_traces={:d} n_allocations={} n_frames={} "
                        "start_time_ns={} end_ns={} pid={} main_tid={} command_line={} python_allocator={} "
                        "trace_python_allocators={:d} hooks={} unwinders={}{}"),
            quoted(metadata.memray_version), quoted(metadata.python_version), metadata.native_traces,
            capture.totals().allocations, capture.definitions().frames(), metadata.start_time_ns,
            nanoseconds(metadata.end), metadata.pid, index(metadata.main_thread), quoted(metadata.command_line),
            quoted(metadata.python_allocator), metadata.trace_python_allocators, quoted(metadata.hooks),
            quoted(metadata.unwinders), extra);
}

void add_definitions(Lines& lines, const Definitions& definitions) {
  add_processes_and_threads(lines, definitions);
  add_frames_and_stacks(lines, definitions);
  add_sites(lines, definitions);
}

void add_trailer(Lines& lines, const Capture& capture) {
  const Metadata& metadata = capture.metadata();
  const Totals& totals = capture.totals();
  lines.add(FMT_COMPILE("TRAILER events={} allocations={} deallocations={} allocated_bytes={} peak_bytes={} "
                        "dropped_events={} unknown_deallocations={} ending={} damage={}"),
            totals.events, totals.allocations, totals.deallocations, totals.allocated_bytes, totals.peak_bytes,
            metadata.dropped_events, metadata.unknown_deallocations, quoted(describe(metadata.ending)),
            quoted(capture.damage().value_or("")));
}

}  // namespace memray::parse
