// A profile for pprof, and for what else reads its format (Pyroscope, Parca, Speedscope, Grafana): profile.proto, as
// gzipped protocol buffers. The format is small and fixed for ever, so it is written by hand.

#include <unordered_map>

#include "gzip.h"
#include "message.h"
#include "transform-common/format.h"
#include "transform-common/frame_numbers.h"

namespace memray::transform {
namespace {

// Field numbers of the messages of profile.proto.
namespace profile {
enum : unsigned { sample_type = 1, sample = 2, location = 4, function = 5, string_table = 6, time_nanos = 9 };
enum : unsigned { duration_nanos = 10, period_type = 11, period = 12, comment = 13, default_sample_type = 14 };
}  // namespace profile
namespace value_type {
enum : unsigned { type = 1, unit = 2 };
}
namespace sample {
enum : unsigned { location_id = 1, value = 2, label = 3 };
}
namespace label {
enum : unsigned { key = 1, str = 2 };
}
namespace location {
enum : unsigned { id = 1, line = 4 };
}
namespace line {
enum : unsigned { function_id = 1, line = 2 };
}
namespace function {
enum : unsigned { id = 1, name = 2, system_name = 3, filename = 4 };
}

// pprof takes what is between < and > for template arguments and hides it, and "<module>" would be nothing.
std::string function_name(std::string_view function) {
  std::string name = printable(function);
  if (name.starts_with('<') && name.ends_with('>')) name.front() = '[', name.back() = ']';
  return name;
}

class Strings {
 public:
  std::uint64_t number(const std::string& text) {
    const auto [entry, fresh] = numbers_.try_emplace(text, texts_.size());
    if (fresh) texts_.push_back(text);
    return entry->second;
  }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_{""};
  std::unordered_map<std::string, std::uint64_t> numbers_{{"", 0}};
};

class Profile {
 public:
  void sample_type(const std::string& type, const std::string& unit) {
    message_.message(profile::sample_type, value_type_of(type, unit));
  }
  void about(const Metadata& metadata, const std::string& default_type) {
    message_.number(profile::time_nanos, static_cast<std::uint64_t>(metadata.start_time_ns));
    message_.number(profile::duration_nanos, static_cast<std::uint64_t>(nanoseconds(metadata.end)));
    message_.message(profile::period_type, value_type_of("space", "bytes"));
    message_.number(profile::period, 1);
    message_.number(profile::comment, strings_.number(printable(metadata.command_line)));
    message_.number(profile::default_sample_type, strings_.number(default_type));
  }

  void add(const Capture& capture, const Group& group, bool split) {
    std::vector<std::uint64_t> locations;
    for (const DisplayFrame& frame : display_stack(capture, group)) locations.push_back(frames_.number(frame) + 1);
    Message message;
    message.packed(sample::location_id, locations);
    const std::uint64_t values[] = {group.count, group.bytes};
    message.packed(sample::value, values);
    message.message(sample::label, label_of("allocator", std::string(name(group.allocator))));
    if (split) message.message(sample::label, label_of("thread", thread_label(capture.definitions(), group.thread)));
    message_.message(profile::sample, message);
  }

  std::string finish() {
    FrameNumbers functions(FrameNumbers::Lines::do_not_matter);
    for (std::size_t i = 0; i < frames_.frames().size(); ++i) {
      const DisplayFrame& frame = frames_.frames()[i];
      Message line;
      line.number(line::function_id, functions.number(frame) + 1);
      line.number(line::line, frame.line);
      Message location;
      location.number(location::id, i + 1);
      location.message(location::line, line);
      message_.message(profile::location, location);
    }
    for (std::size_t i = 0; i < functions.frames().size(); ++i) {
      const DisplayFrame& frame = functions.frames()[i];
      Message function;
      function.number(function::id, i + 1);
      function.number(function::name, strings_.number(function_name(frame.function)));
      function.number(function::system_name, strings_.number(printable(frame.function)));
      function.number(function::filename, strings_.number(printable(frame.file)));
      message_.message(profile::function, function);
    }
    for (const std::string& text : strings_.texts()) message_.text(profile::string_table, text);
    return message_.bytes();
  }

 private:
  Message value_type_of(const std::string& type, const std::string& unit) {
    Message message;
    message.number(value_type::type, strings_.number(type));
    message.number(value_type::unit, strings_.number(unit));
    return message;
  }
  Message label_of(const std::string& key, const std::string& value) {
    Message message;
    message.number(label::key, strings_.number(key));
    message.number(label::str, strings_.number(printable(value)));
    return message;
  }

  Message message_;
  Strings strings_;
  FrameNumbers frames_{FrameNumbers::Lines::matter};
};

class Pprof final : public Format {
  std::string suffix() const override { return ".pb.gz"; }
  bool knows_threads() const override { return true; }

  // The types have the names that pprof knows from Go's heap profiles.
  void write(ReportContext& context, const Snapshot& snapshot, std::ostream& out) const override {
    const std::string prefix = context.view() == View::temporary ? "alloc" : "inuse";
    Profile profile;
    profile.sample_type(prefix + "_objects", "count");
    profile.sample_type(prefix + "_space", "bytes");
    profile.about(context.capture().metadata(), prefix + "_space");
    for (const Group& group : snapshot.groups) profile.add(context.capture(), group, context.flag("split-threads"));
    out << gzip(profile.finish());
  }
};

}  // namespace
}  // namespace memray::transform

MEMRAY_REPORTER(memray::transform::Pprof, "transform-pprof", "Profile for pprof, Pyroscope, Parca", "0.1.0")
