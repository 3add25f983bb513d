// The capture in a file. --sink=file:PATH means the same as --output PATH.
//
// With a limit on the size, the sink takes events and writes the file anew whenever it has come near the limit, see
// memray/bounded_encoder.h; without, it appends blocks.
#include "../common/output_file.h"

#include <memray/bounded_encoder.h>
#include <memray/sink.h>

#include <chrono>
#include <memory>
#include <new>

namespace {

using memray::Block;
using memray::Status;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kFlushInterval = std::chrono::seconds(1);

class FileSink final : public memray::Sink {
 public:
  Input input() const override { return max_bytes_ == 0 ? Input::blocks : Input::events; }

  Status open(const memray::SinkConfig& config) override {
    if (!config.arguments.empty() && config.output_given)
      return Status::error("an output file is named twice: with -o and with --sink=file:PATH");
    max_bytes_ = config.max_bytes;
    Status status = file_.open(config.arguments.empty() ? config.output : config.arguments, config.force);
    if (!status || max_bytes_ == 0 || file_.replaceable()) return status;
    return Status::error(file_.name() + " is no regular file: its size cannot be limited");
  }

  std::string destination() const override { return file_.name(); }

  // Until a block follows the header, nothing has been recorded that would be worth an earlier capture.
  Status write(const Block& block) override {
    if (block.kind != memray::BlockKind::header)
      if (auto status = file_.publish(); !status) return status;
    return file_.write(block.bytes);
  }

  Status describe(const memray::Metadata& metadata, const memray::Definitions& definitions) override {
    if (encoder_) {
      encoder_->update_metadata(metadata);
    } else {
      encoder_ = std::make_unique<memray::BoundedEncoder>(definitions, metadata, max_bytes_,
                                                          [this](const Block& block) { append(block); });
    }
    return status_;
  }

  Status events(std::span<const memray::Event> events, const memray::Definitions&) override {
    encoder_->events(events);
    return status_.ok() && encoder_->full() ? fold() : status_;
  }

  Status sample(const memray::MemorySample& sample) override {
    encoder_->sample(sample);
    return status_;
  }

  Status tick() override {
    const auto now = SteadyClock::now();
    if (!encoder_ || now < next_flush_) return {};
    encoder_->flush();
    next_flush_ = now + kFlushInterval;
    return status_;
  }

  Status finish(const memray::Metadata& metadata, bool abandoned) override {
    if (abandoned) {
      file_.discard();
      return {};
    }
    if (encoder_ && status_.ok()) encoder_->finish(metadata);
    if (status_.ok()) status_ = file_.publish();
    const Status closed = file_.close();
    return status_.ok() ? closed : status_;
  }

 private:
  void append(const Block& block) {
    if (status_.ok()) status_ = write(block);
  }

  Status fold() {
    encoder_->flush();
    if (!status_.ok()) return status_;
    status_ = file_.rewrite([this](const std::string& present) {
      const Status folded = encoder_->fold(present, [this](const Block& block) {
        if (status_.ok()) status_ = file_.write(block.bytes);
      });
      return folded ? status_ : folded;
    });
    return status_;
  }

  memray::OutputFile file_;
  std::uint64_t max_bytes_ = 0;
  std::unique_ptr<memray::BoundedEncoder> encoder_;
  Status status_;
  SteadyClock::time_point next_flush_{};
};

}  // namespace

MEMRAY_SINK(FileSink, "file", "Writes the capture to a file", "0.1.0")
