// Totals instead of events: what every stack held at the peak, holds now, and has allocated.
//
// The file is a complete capture at any moment. Every second or so all of it is written anew beside the old one, and
// takes its place at once: whoever is killed, and whenever, the file of the last time is whole. When there are so many
// stacks that writing takes long, it is done less often: it takes a fiftieth of the time at most.
//
// A time that fails (the disk is full) leaves the file as it was and is tried again. Only when the recording is over is
// it an error.
#include "../common/output_file.h"

#include <memray/aggregate_encoder.h>
#include <memray/sink.h>

#include <chrono>
#include <memory>
#include <new>
#include <vector>

namespace {

using memray::Status;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kInterval = std::chrono::seconds(1);
constexpr int kShare = 50;

class AggregatedSink final : public memray::Sink {
 public:
  Input input() const override { return Input::events; }

  Status open(const memray::SinkConfig& config) override {
    if (!config.arguments.empty() && config.output_given)
      return Status::error("an output file is named twice: with -o and with --sink=aggregated:PATH");
    return file_.open(config.arguments.empty() ? config.output : config.arguments, config.force);
  }

  std::string destination() const override { return file_.name(); }

  Status describe(const memray::Metadata& metadata, const memray::Definitions& definitions) override {
    if (!encoder_) encoder_ = std::make_unique<memray::AggregateEncoder>(definitions);
    metadata_ = metadata;
    return {};
  }

  Status events(std::span<const memray::Event> events, const memray::Definitions&) override {
    encoder_->events(events);
    return {};
  }

  Status sample(const memray::MemorySample& sample) override {
    encoder_->sample(sample);
    return {};
  }

  // Until something was recorded there is nothing that would be worth an earlier capture.
  Status tick() override {
    const auto now = SteadyClock::now();
    if (now < next_ || encoder_->events_seen() == written_events_ || !file_.replaceable()) return {};
    if (save(metadata_)) written_events_ = encoder_->events_seen();
    const auto end = SteadyClock::now();
    next_ = end + std::max<SteadyClock::duration>(kInterval, (end - now) * kShare);
    return {};
  }

  Status finish(const memray::Metadata& metadata, bool abandoned) override {
    if (abandoned) {
      file_.discard();
      return {};
    }
    const Status status = save(metadata);
    const Status closed = file_.close();
    return status ? closed : status;
  }

 private:
  Status save(const memray::Metadata& metadata) {
    std::vector<std::byte> bytes;
    encoder_->write(metadata, [&](const memray::Block& block) {
      bytes.insert(bytes.end(), block.bytes.begin(), block.bytes.end());
    });
    return file_.rewrite([&](const std::string&) { return file_.write(bytes); });
  }

  memray::OutputFile file_;
  memray::Metadata metadata_;
  std::unique_ptr<memray::AggregateEncoder> encoder_;
  std::uint64_t written_events_ = 0;
  SteadyClock::time_point next_{};
};

}  // namespace

MEMRAY_SINK(AggregatedSink, "aggregated", "Writes totals by stack, at the peak and at the end, to a small file",
            "0.1.0")
