// What is where in a capture: signature, block headers, sections, tail. docs/capture-format.md is the specification;
// the names here are those used there.
#pragma once

#include <memray/sink.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "capture/varint.h"

namespace memray::format {

inline constexpr std::array<std::uint8_t, 8> kSignature = {0x93, 'M', 'R', 'A', 'Y', '\r', '\n', 0x1a};
inline constexpr std::uint16_t kMajor = 1;
inline constexpr std::uint16_t kMinor = 0;
inline constexpr std::size_t kFileHeaderSize = 16;  // signature, major, minor, zero

inline constexpr std::uint32_t kBlockMagic = 0x4b4c'424d;  // "MBLK"
inline constexpr std::uint32_t kTailMagic = 0x444e'454d;   // "MEND"
inline constexpr std::size_t kTailSize = 24;               // index offset, trailer offset, checksum, magic

inline constexpr std::size_t kBlockHeaderSize = 16;  // without section table and summary
inline constexpr std::size_t kSectionEntrySize = 16;
inline constexpr std::size_t kMaxHeaderSize = 1024;
inline constexpr std::size_t kMaxSections = 32;
// Nobody writes sections of this size; whoever claims to is not believed.
inline constexpr std::uint32_t kMaxSectionBytes = 64u << 20;

inline constexpr std::int64_t kTimeUnit = 100'000;  // nanoseconds: the resolution of event times
constexpr std::int64_t time_units(Time time) {
  const std::int64_t ns = nanoseconds(time);
  return ns >= 0 ? ns / kTimeUnit : -((-ns + kTimeUnit - 1) / kTimeUnit);
}
// As a reader gets to see it.
constexpr Time marked(Time time) { return Time{time_units(time) * kTimeUnit}; }

enum class Codec : std::uint8_t { stored = 0, zstd = 1 };

enum class SectionId : std::uint8_t {
  metadata = 1,
  strings = 16,
  frames = 17,
  stacks = 18,
  sites = 19,
  threads = 20,
  processes = 21,
  modules = 22,
  thread_names = 23,
  locations = 24,
  name_changes = 25,
  events = 32,
  event_threads = 33,
  address_codes = 34,
  address_deltas = 35,
  times = 36,
  samples = 48,
  objects = 49,
  sample_details = 50,
  index = 64,
  aggregate_totals = 80,
  peak_sites = 81,
  live_sites = 82,
  kept_sites = 83,
  allocated_sites = 84,
  varying_sizes = 85,
};

// Codes of extended events, which follow a token of 0.
enum class Extended : std::uint8_t {
  sized_allocation = 1,
  partial_deallocation = 2,
  unknown_deallocation = 3,
  process_exec = 4,
  process_exit = 5,
};

struct SectionEntry {
  SectionId id{};
  Codec codec = Codec::stored;
  std::uint32_t stored_size = 0;
  std::uint32_t raw_size = 0;
  std::uint32_t checksum = 0;  // of the stored bytes
};

// What an events block says about itself in its header.
struct EventsSummary {
  std::uint64_t first_event = 0;
  std::uint64_t events = 0;
  std::uint64_t first_allocation = 0;
  std::uint64_t allocations = 0;
  std::uint64_t deallocations = 0;
  std::uint64_t unknown_deallocations = 0;
  std::uint64_t allocated_bytes = 0;
  std::int64_t first_time = 0;  // nanoseconds
  std::int64_t last_time = 0;
  std::uint64_t live_before = 0;  // bytes
  std::uint64_t live_after = 0;
  std::uint64_t live_peak = 0;   // highest after any event of the block
  std::uint64_t peak_event = 0;  // the last event, counted from 0 in the block, after which live_peak was live
};
inline constexpr std::size_t kEventsSummarySize = 13 * 8;

struct BlockHeader {
  BlockKind kind{};
  std::uint16_t header_size = 0;
  std::uint32_t payload_size = 0;
  std::vector<SectionEntry> sections;
  EventsSummary summary;  // of events blocks

  std::uint64_t block_size() const { return std::uint64_t{header_size} + payload_size; }
};

// nullopt for anything but an intact header.
std::optional<BlockHeader> parse_block_header(std::span<const std::byte> bytes);
// The size that a header claims to have in its first bytes; 0 if these are not a header's.
std::size_t block_header_size(std::span<const std::byte> first_bytes);

// How hard to try. The first sections of a capture get all that can be had: they are most of a small one, in which
// each name and stack is seen once. What comes after them is much, and has to be done while a program waits.
class Compression {
 public:
  explicit Compression(bool on) : on_(on) {}
  // For a section of `size` bytes; 0: store it as it is.
  int level_for(std::size_t size) {
    if (!on_) return 0;
    if (size <= best_left_) {
      best_left_ -= size;
      return kBest;
    }
    return size <= kSmall ? kGood : kQuick;
  }

 private:
  static constexpr int kBest = 12, kGood = 3, kQuick = 1;  // levels of zstd
  static constexpr std::size_t kSmall = std::size_t{64} << 10;
  bool on_;
  std::size_t best_left_ = std::size_t{512} << 10;  // bytes
};

// A block under construction. `add_section` compresses; `finish` yields the block's bytes, header first.
class BlockBuilder {
 public:
  BlockBuilder(BlockKind kind, Compression& compression) : kind_(kind), compression_(compression) {}
  void add_section(SectionId id, std::span<const std::byte> raw);
  bool empty() const { return sections_.empty(); }
  std::size_t payload_size() const { return payload_.size(); }
  ByteWriter finish(const EventsSummary* summary = nullptr) const;

 private:
  BlockKind kind_;
  Compression& compression_;
  std::vector<SectionEntry> sections_;
  ByteWriter payload_;
};

// Puts the section's bytes into `raw`. False if they are not what the entry promises.
bool unpack_section(const SectionEntry& entry, std::span<const std::byte> stored, ByteWriter& raw);

struct Tail {
  std::uint64_t index_offset = 0;
  std::uint64_t trailer_offset = 0;
};
void write_tail(ByteWriter& out, const Tail& tail);
std::optional<Tail> parse_tail(std::span<const std::byte> bytes);

}  // namespace memray::format
