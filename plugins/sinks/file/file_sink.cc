// The capture in a file. --sink=file:PATH means the same as --output PATH.
#include "../common/output_file.h"

#include <memray/sink.h>

#include <new>

namespace {

class FileSink final : public memray::Sink {
 public:
  Input input() const override { return Input::blocks; }

  memray::Status open(const memray::SinkConfig& config) override {
    if (!config.arguments.empty() && config.output_given)
      return memray::Status::error("an output file is named twice: with -o and with --sink=file:PATH");
    return file_.open(config.arguments.empty() ? config.output : config.arguments, config.force);
  }

  std::string destination() const override { return file_.name(); }

  // Until a block follows the header, nothing has been recorded that would be worth an earlier capture.
  memray::Status write(const memray::Block& block) override {
    if (block.kind != memray::BlockKind::header)
      if (auto status = file_.publish(); !status) return status;
    return file_.write(block.bytes);
  }

  memray::Status finish(const memray::Metadata&, bool abandoned) override {
    if (abandoned) {
      file_.discard();
      return {};
    }
    if (auto status = file_.publish(); !status) return status;
    return file_.close();
  }

 private:
  memray::OutputFile file_;
};

}  // namespace

MEMRAY_SINK(FileSink, "file", "Writes the capture to a file", "0.1.0")
