// What the formats of `memray transform` share: each is a reporter of its own, named transform-<format>, that writes a
// snapshot in one format for another program to read.
#pragma once

#include <memray/reporter.h>
#include <memray/text.h>

#include <ostream>
#include <string>

namespace memray::transform {

// Sorts out options, snapshot and file; a format only writes.
class Format : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    options.views();
    options.output_file(suffix());
    if (knows_threads()) options.flag("split-threads", '\0', "Show the threads apart");
    declare_more(options);
  }

  int run(ReportContext& context) override {
    std::ostream& out = context.output();
    const bool split = knows_threads() && context.flag("split-threads");
    write(context, snapshot(context.capture(), context.selection(), {.merge_threads = !split}), out);
    context.commit_output();
    return 0;
  }

 protected:
  virtual std::string suffix() const = 0;
  virtual bool knows_threads() const { return false; }
  virtual void declare_more(ReporterOptions&) const {}
  virtual void write(ReportContext& context, const Snapshot& snapshot, std::ostream& out) const = 0;
};

// "function (file:line)".
inline std::string frame_text(const DisplayFrame& frame) {
  std::string text(frame.function.empty() ? "<unknown>" : frame.function);
  if (frame.file.empty()) return printable(text);
  text.append(" (").append(frame.file);
  if (frame.line != 0) text.append(":").append(std::to_string(frame.line));
  return printable(text + ")");
}

}  // namespace memray::transform
