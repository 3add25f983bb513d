// The collector: from what the recorder commits to what the sink receives.
//
//   drain()  note positions -> read definitions -> merge the threads by time stamp -> match -> encode -> sink
//
// One thread; `drain` is called every few milliseconds, and once more when the program has ended.
#pragma once

#include "capture/encoder.h"
#include "capture/events_writer.h"
#include "capture/matcher.h"
#include "collector/clock.h"
#include "collector/images.h"
#include "collector/object_matcher.h"
#include "collector/session.h"
#include "collector/streams.h"
#include "collector/thread_names.h"
#include "collector/turn_queue.h"
#include "symbols/early_names.h"
#include "symbols/module_files.h"

#include <memray/sink.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace memray::collector {

class Collector {
 public:
  Collector(Session& session, Sink& sink, const Metadata& metadata);

  // Reads what is committed. `last`: the program is gone, so everything is. Returns whether chunks are running short,
  // so that it had better be called again soon.
  bool drain(bool last);

  // The program that is about to be started.
  void expect_program(const std::string& path) { module_files_.expect(path); }

  // Takes a memory sample of each process that is being recorded. The beginning of the recording has one of its own.
  void sample();

  // Makes what was collected so far safe from a crash of this process. Unless `all`, only if it is worth a block.
  void flush(bool all);

  // The highest moment is looked for from now on.
  void reset_peak();

  // Ends the capture. After the last drain.
  void finish(const Ending& ending);

  bool recording() const;  // between start and stop in some process
  bool executing() const;  // some process is about to become another program, or has
  bool running() const;    // some process is there that might be recorded
  bool attached() const { return !images_.empty(); }
  bool started() const;  // recording began in some process
  // Why recording could not start in the program, or "".
  std::string failure() const;
  const Status& sink_status() const { return sink_status_; }
  Totals totals() const { return matcher_.totals(); }
  const Metadata& metadata() const { return metadata_; }
  // How often a thread of the program had to wait for this collector, for up to 20 ms each time.
  std::uint32_t waits() const { return session_.control().waits.load(); }
  std::uint64_t dropped() const { return session_.control().dropped.load(); }

  std::function<void(const std::string&)> on_warning;
  std::function<void(double)> on_progress;  // of looking up symbols, in [0, 1]

 private:
  template <typename Which>
  void sample(Time time, Which which);
  void sample_beginning(const Image& begun, Time time);
  bool collect(bool last);
  bool discard();
  void give_up();
  void finish_writing(const Ending& ending);
  bool find_images();
  void end_gone(const std::vector<Image*>& gone, Time time);
  bool thread_alive(const Stream& stream) const;
  void read_definitions();
  void merge(std::uint64_t watermark);
  bool has_item(Stream& stream) { return !stream.upcoming.empty() || decode(stream); }
  bool decode(Stream& stream);
  void decode_chunk(Stream& stream);
  bool decode_other(Stream& stream, const std::uint64_t* at, bool steady);
  void change_stack(Stream& stream, const std::uint64_t* words);
  void wait_for_change(Stream& stream, const std::uint64_t* words);
  void apply_waiting_changes(Stream& stream);
  void stop_waiting(Stream& stream, Item& item);
  void run(Stream& stream, std::uint64_t until);
  SiteId site_of(const Stream& stream, const Item& item);
  bool write_both(const Stream& stream, const Item& item, std::uint64_t end, ProcessMemory& memory);
  void do_pairs(const Stream& stream, const Item& pairs, ProcessMemory& memory);
  void write_allocation(const Stream& stream, const Item& item, ProcessMemory& memory);
  void write_deallocation(const Stream& stream, const Item& item, ProcessMemory& memory);
  void note_time(std::uint64_t stamp);
  RawAllocation raw_allocation(const Stream& stream, const Item& item);
  RawDeallocation raw_deallocation(const Stream& stream, const Item& item);
  void match(const Stream& stream, const Item& item);
  void mark(const Stream& stream, const Item& item);
  void note_object(const Stream& stream, const Item& item);
  void end_image(Image& image, bool exec, Time time);
  void hand_over();
  void describe();
  void resolve_symbols();
  void receive(const Block& block);

  Session& session_;
  Sink& sink_;
  Status sink_status_;
  Metadata metadata_;
  bool sampled_ = false;
  Clock clock_;
  Definitions definitions_;
  symbols::ModuleFiles module_files_;
  symbols::EarlyNames early_names_;
  ModuleSetting module_setting_;
  Matcher matcher_;
  ThreadNames thread_names_;
  ObjectMatcher objects_;
  std::unique_ptr<Encoder> encoder_;        // for sinks that take blocks
  format::EventsWriter* writer_ = nullptr;  // its
  Streams streams_;
  std::deque<Image> images_;  // by number
  TurnQueue turns_;
  std::uint64_t next_time_ = 0;  // stamps before this one are of the latest time written
  bool metadata_changed_ = false;
  bool damaged_ = false;
  bool out_of_memory_ = false;
};

}  // namespace memray::collector
