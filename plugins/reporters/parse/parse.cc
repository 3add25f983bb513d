// `memray parse`: every record as a line of text, complete enough to work out any report with a script.
//
// A line is a word that says what it is, then key=value pairs. Values are decimal numbers, addresses in hexadecimal
// with 0x, bare words (allocators, kinds), or text in double quotes with JSON's escapes; no line break is ever inside a
// line.
//
// clang-format off
//   HEADER                first line: about the recording; keys that the recorder adds to the capture come last
//   PROCESS               process= pid= parent_pid= time_ns= command_line=
//   THREAD                tid= process= number= os_tid= name=
//   MODULE                module= process= start= end= file_offset= build_id= path=
//   FRAME                 frame= kind=python entry= line= function= file=   or   frame= kind=native address= [module=]
//   LOCATION              frame= line= function= file=   of the native frame above, innermost inlined function first
//   STACK                 stack= parent= frame= depth=   frame is the innermost; stack 0 is the empty one
//   SITE                  site= tid= allocator= stack= native_stack= size=
//   ALLOCATION            number= time_ns= tid= address= size= allocator= stack= native_stack= site=
//   DEALLOCATION          number= time_ns= tid= address= size= allocator= site=   of allocation `number`, made at `site`
//   PARTIAL_DEALLOCATION  the same with pieces=: how many pieces mapping `number` is in now
//   UNKNOWN_DEALLOCATION  time_ns= tid= address= size= allocator=   of memory from before the recording
//   PROCESS_EXEC, PROCESS_EXIT   time_ns= process=   takes all that the process still has
//   OBJECT_CREATED        number= time_ns= tid= address= type= stack= native_stack=   with --track-object-lifetimes
//   OBJECT_DESTROYED      number= time_ns= tid= address=   of object `number`
//   MEMORY_SAMPLE         time_ns= process= rss= heap= process_heap= anonymous= mapped= pss= mappings= own=
//   TRAILER               last line: totals, and what damage the file has
// clang-format on
//
// Definitions come before events; samples stand among the events at their time; objects come after events.

#include <memray/objects.h>
#include <memray/reporter.h>

#include "definition_lines.h"
#include "lines.h"

namespace memray::parse {
namespace {

void add_objects(Lines& lines, const Capture& capture) {
  const Definitions& definitions = capture.definitions();
  objects(capture, [&](std::span<const ObjectEvent> events) {
    for (const ObjectEvent& e : events) {
      if (e.created)
        lines.add(
            FMT_COMPILE("OBJECT_CREATED number={} time_ns={} tid={} address={:#x} type={} stack={} native_stack={}"),
            e.number, nanoseconds(e.time), index(e.thread), e.address, quoted(definitions.string(e.type)),
            index(e.stack), index(e.native_stack));
      else
        lines.add(FMT_COMPILE("OBJECT_DESTROYED number={} time_ns={} tid={} address={:#x}"), e.number,
                  nanoseconds(e.time), index(e.thread), e.address);
    }
    return true;
  });
}

class Events {
 public:
  Events(Lines& lines, const Capture& capture)
      : lines_(lines), definitions_(capture.definitions()), samples_(capture.memory_samples()) {}

  void add(const Event& event) {
    add_samples_until(event.time);
    switch (event.kind) {
      case Event::Kind::allocation: {
        const Site& site = definitions_.site(event.site);
        lines_.add(FMT_COMPILE("ALLOCATION number={} time_ns={} tid={} address={:#x} size={} allocator={} stack={} "
                               "native_stack={} site={}"),
                   event.number, nanoseconds(event.time), index(event.thread), event.address, event.size,
                   name(event.allocator), index(site.stack), index(site.native_stack), index(event.site));
        break;
      }
      case Event::Kind::deallocation:
        lines_.add(FMT_COMPILE("DEALLOCATION number={} time_ns={} tid={} address={:#x} size={} allocator={} site={}"),
                   event.number, nanoseconds(event.time), index(event.thread), event.address, event.size,
                   name(event.allocator), index(event.site));
        break;
      case Event::Kind::partial_deallocation:
        lines_.add(FMT_COMPILE("PARTIAL_DEALLOCATION number={} time_ns={} tid={} address={:#x} size={} allocator={} "
                               "site={} pieces={}"),
                   event.number, nanoseconds(event.time), index(event.thread), event.address, event.size,
                   name(event.allocator), index(event.site), event.pieces);
        break;
      case Event::Kind::unknown_deallocation:
        lines_.add(FMT_COMPILE("UNKNOWN_DEALLOCATION time_ns={} tid={} address={:#x} size={} allocator={}"),
                   nanoseconds(event.time), index(event.thread), event.address, event.size, name(event.allocator));
        break;
      case Event::Kind::process_exec:
        lines_.add(FMT_COMPILE("PROCESS_EXEC time_ns={} process={}"), nanoseconds(event.time), event.index);
        break;
      case Event::Kind::process_exit:
        lines_.add(FMT_COMPILE("PROCESS_EXIT time_ns={} process={}"), nanoseconds(event.time), event.index);
        break;
    }
  }

  void add_remaining_samples() {
    for (; next_ < samples_.size(); ++next_) add_sample(samples_[next_]);
  }

 private:
  void add_samples_until(Time time) {
    for (; next_ < samples_.size() && samples_[next_].time < time; ++next_) add_sample(samples_[next_]);
  }

  void add_sample(const MemorySample& sample) {
    lines_.add(FMT_COMPILE("MEMORY_SAMPLE time_ns={} process={} rss={} heap={} process_heap={} anonymous={} mapped={} "
                           "pss={} mappings={} own={}"),
               nanoseconds(sample.time), index(sample.process), sample.rss, sample.heap, sample.process_heap,
               sample.anonymous, sample.mapped, sample.pss, sample.mappings, sample.own);
  }

  Lines& lines_;
  const Definitions& definitions_;
  const std::vector<MemorySample>& samples_;
  std::size_t next_ = 0;
};

class Parse : public Reporter {
 public:
  void declare(ReporterOptions&) const override {}

  int run(ReportContext& context) override {
    if (context.out_is_terminal())
      throw ReportError("this prints a line for every record: redirect it to a file, or pipe it to another program");

    const Capture& capture = context.capture();
    capture.require_events();
    Lines lines(context.out());
    Events events(lines, capture);
    add_header(lines, capture);
    add_definitions(lines, capture.definitions());
    capture.events(Columns::all, [&](std::span<const Event> batch) {
      for (const Event& event : batch) events.add(event);
      return context.out().good();
    });
    events.add_remaining_samples();
    add_objects(lines, capture);
    add_trailer(lines, capture);
    lines.flush();
    return 0;
  }
};

}  // namespace
}  // namespace memray::parse

MEMRAY_REPORTER(memray::parse::Parse, "parse", "Every record as a line of text", "0.1.0")
