#include "collector/memory_sampler.h"

#include <algorithm>

namespace memray::collector {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto kInterval = std::chrono::seconds(1);
constexpr int kShare = 100;

std::uint64_t minus(std::uint64_t whole, std::uint64_t part) { return whole - std::min(whole, part); }

}  // namespace

void MemorySampler::look_closely(ProcessProbe& probe, const session::OwnMemory& own) {
  const auto start = SteadyClock::now();
  if (start < next_look_) return;
  proportional_ = probe.proportional();
  mappings_ = probe.mappings();
  own_resident_ = own_mapped_ = own.small.load(std::memory_order_relaxed);
  for (const session::OwnMemory::Piece& piece : own.piece) {
    const std::uint64_t bytes = piece.bytes.load(std::memory_order_acquire);
    if (bytes <= 1) continue;
    own_resident_ += probe.resident(piece.address.load(std::memory_order_relaxed), bytes);
    own_mapped_ += bytes;
  }
  const auto end = SteadyClock::now();
  next_look_ = end + std::max<SteadyClock::duration>(kInterval, (end - start) * kShare);
}

std::optional<MemorySample> MemorySampler::take(ProcessProbe& probe, const session::OwnMemory& own,
                                                std::uint64_t session, std::uint64_t sharers) {
  auto memory = probe.memory();
  if (!memory) memory = earlier_;
  earlier_.reset();
  if (!memory) return std::nullopt;
  look_closely(probe, own);
  MemorySample sample;
  sample.own = session + own_resident_;
  sample.rss = minus(memory->resident, sample.own);
  sample.anonymous = minus(memory->anonymous, own_resident_);
  sample.mapped = minus(memory->mapped, session::kSessionBytes + own_mapped_);
  sample.pss = minus(proportional_, own_resident_ + session / sharers);
  sample.mappings = mappings_;
  return sample;
}

}  // namespace memray::collector
