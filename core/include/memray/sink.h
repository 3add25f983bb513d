// Sinks: where a recording goes while it is made.
//
// A sink runs in the collector, beside the program being profiled. It takes either finished blocks of the capture
// format (a file, a socket, an object store: whoever wants bytes) or matched events (whoever wants totals); it says
// which by `input()`. All functions are called by one thread, in the order open, then any number of blocks / events /
// tick, then finish. None may throw: errors are returned. A failed write ends the recording, not the program being
// profiled: the collector reports the message once and calls finish.
#pragma once

#include <memray/capture.h>
#include <memray/plugin.h>

#include <cstddef>
#include <span>
#include <string>

namespace memray {

enum class BlockKind : std::uint8_t {
  header = 0,  // the first bytes of a capture
  definitions = 1,
  events = 2,
  samples = 3,
  index = 4,    // written once, near the end
  trailer = 5,  // the last bytes
  aggregates = 6,
  objects = 7,
};

// Bytes to append to the capture, just as they stand in a file.
struct Block {
  BlockKind kind;
  std::span<const std::byte> bytes;  // valid during the call
};

struct SinkConfig {
  std::string arguments;  // what follows the colon in --sink=NAME:ARGUMENTS
  std::string output;     // -o, or the derived default name; may be meaningless to a sink that writes no file
  bool output_given = false;
  std::uint64_t max_bytes = 0;  // that the output may have, for sinks that can bound it; 0: no limit
  bool force = false;           // overwrite
  bool quiet = false;
};

class Sink {
 public:
  enum class Input { blocks, events };

  virtual ~Sink() = default;
  virtual Input input() const = 0;  // does not change once `open` was called

  // Called before the program is started: an error here means that it never is.
  virtual Status open(const SinkConfig& config) = 0;

  // Where the recording goes, for the line that `memray run` prints ("capture.bin", "127.0.0.1:4242"); "" if nowhere.
  virtual std::string destination() const = 0;

  // What the user has to know to get at the recording, in whole lines, in the place of that line; "" if nothing.
  virtual std::string instructions() const { return {}; }

  // Whether somebody is there to take the recording. Asked between `open` and the start of the program, with a `tick`
  // before each time, for users who want the program to wait until it is so.
  virtual bool ready() const { return true; }

  // Whether somebody looks at the recording while it is made. Native frames then get their names as soon as they can be
  // had, and not when it is over. Asked every 10 to 50 ms.
  virtual bool watched() const { return false; }

  virtual Status write(const Block&) { return {}; }

  // For `Input::events`. What is known of the recording: called before the first events, and again when something more
  // became known. `definitions` is one object, from here until `finish` has returned.
  virtual Status describe(const Metadata&, const Definitions&) { return {}; }

  // For `Input::events`. `definitions` covers everything the events name.
  virtual Status events(std::span<const Event>, const Definitions&) { return {}; }

  // For `Input::events`; samples come in order of time.
  virtual Status sample(const MemorySample&) { return {}; }

  // Every 10 to 50 ms.
  virtual Status tick() { return {}; }

  // The recording is over. `metadata.ending` says how. With `abandoned`, the program could not be started and nothing
  // may be left behind.
  virtual Status finish(const Metadata& metadata, bool abandoned) = 0;
};

}  // namespace memray

extern "C" {
struct memray_sink_factory {
  memray::Sink* (*create)();            // never throws; nullptr when out of memory
  void (*destroy)(memray::Sink* sink);  // with the allocator that create used
};
}

// Defines the plugin's descriptor for a sink class that is default-constructible.
#define MEMRAY_SINK(Class, plugin_name, plugin_description, plugin_version)                                   \
  extern "C" {                                                                                                \
  static const memray_sink_factory memray_sink_factory_instance = {                                           \
      []() -> memray::Sink* { return new (std::nothrow) Class(); }, [](memray::Sink* sink) { delete sink; }}; \
  const memray_plugin_descriptor memray_plugin = {                                                            \
      MEMRAY_PLUGIN_MAGIC, MEMRAY_ABI_VERSION, MEMRAY_PLUGIN_SINK,           plugin_name,                     \
      plugin_description,  plugin_version,     &memray_sink_factory_instance};                                \
  }
