#include "capture/format.h"

#include <zstd.h>

#include <memory>

#include "capture/crc32.h"

namespace memray::format {
namespace {

constexpr std::size_t kChecksumPosition = 12;  // in a block header

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  return context.get();
}
ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  return context.get();
}

void write_summary(ByteWriter& out, const EventsSummary& s) {
  for (const std::uint64_t field :
       {s.first_event, s.events, s.first_allocation, s.allocations, s.deallocations, s.unknown_deallocations,
        s.allocated_bytes, static_cast<std::uint64_t>(s.first_time), static_cast<std::uint64_t>(s.last_time),
        s.live_before, s.live_after, s.live_peak, s.peak_event})
    out.u64(field);
}

EventsSummary read_summary(ByteReader& in) {
  EventsSummary s;
  s.first_event = in.u64();
  s.events = in.u64();
  s.first_allocation = in.u64();
  s.allocations = in.u64();
  s.deallocations = in.u64();
  s.unknown_deallocations = in.u64();
  s.allocated_bytes = in.u64();
  s.first_time = static_cast<std::int64_t>(in.u64());
  s.last_time = static_cast<std::int64_t>(in.u64());
  s.live_before = in.u64();
  s.live_after = in.u64();
  s.live_peak = in.u64();
  s.peak_event = in.u64();
  return s;
}

// The checksum counts as zero while it is computed.
std::uint32_t header_checksum(std::span<const std::byte> header) {
  constexpr std::array<std::byte, 4> kZero{};
  const std::uint32_t before = crc32(header.first(kChecksumPosition));
  return crc32(header.subspan(kChecksumPosition + 4), crc32(kZero, before));
}

}  // namespace

std::size_t block_header_size(std::span<const std::byte> first_bytes) {
  ByteReader in(first_bytes);
  const std::uint32_t magic = in.u32();
  const std::size_t size = in.u16();
  return in.ok() && magic == kBlockMagic && size >= kBlockHeaderSize && size <= kMaxHeaderSize ? size : 0;
}

std::optional<BlockHeader> parse_block_header(std::span<const std::byte> bytes) {
  const std::size_t size = block_header_size(bytes);
  if (size == 0 || bytes.size() < size) return std::nullopt;
  bytes = bytes.first(size);
  ByteReader in(bytes);
  in.u32();
  BlockHeader header;
  header.header_size = in.u16();
  header.kind = static_cast<BlockKind>(in.u8());
  const std::size_t sections = in.u8();
  header.payload_size = in.u32();
  if (in.u32() != header_checksum(bytes) || sections > kMaxSections) return std::nullopt;
  std::uint64_t stored = 0;
  for (std::size_t i = 0; i < sections; ++i) {
    SectionEntry entry;
    entry.id = static_cast<SectionId>(in.u8());
    entry.codec = static_cast<Codec>(in.u8());
    in.u16();
    entry.stored_size = in.u32();
    entry.raw_size = in.u32();
    entry.checksum = in.u32();
    stored += entry.stored_size;
    if (entry.stored_size > kMaxSectionBytes || entry.raw_size > kMaxSectionBytes) return std::nullopt;
    header.sections.push_back(entry);
  }
  if (header.kind == BlockKind::events) header.summary = read_summary(in);
  if (!in.ok() || stored != header.payload_size) return std::nullopt;
  return header;
}

void BlockBuilder::add_section(SectionId id, std::span<const std::byte> raw) {
  SectionEntry entry;
  entry.id = id;
  entry.raw_size = static_cast<std::uint32_t>(raw.size());
  std::size_t stored = 0;
  std::byte* out = payload_.prepare(std::max(ZSTD_compressBound(raw.size()), raw.size()));
  if (const int level = compression_.level_for(raw.size()); level != 0) {
    stored = ZSTD_compressCCtx(compressor(), out, ZSTD_compressBound(raw.size()), raw.data(), raw.size(), level);
    if (ZSTD_isError(stored) != 0 || stored >= raw.size()) stored = 0;
  }
  if (stored != 0) {
    entry.codec = Codec::zstd;
  } else {
    stored = raw.size();
    if (stored != 0) std::memcpy(out, raw.data(), stored);
  }
  entry.stored_size = static_cast<std::uint32_t>(stored);
  entry.checksum = crc32({out, stored});
  payload_.commit(stored);
  sections_.push_back(entry);
}

ByteWriter BlockBuilder::finish(const EventsSummary* summary) const {
  ByteWriter out;
  const std::size_t header_size =
      kBlockHeaderSize + sections_.size() * kSectionEntrySize + (summary != nullptr ? kEventsSummarySize : 0);
  out.u32(kBlockMagic);
  out.u16(static_cast<std::uint16_t>(header_size));
  out.u8(static_cast<std::uint8_t>(kind_));
  out.u8(static_cast<std::uint8_t>(sections_.size()));
  out.u32(static_cast<std::uint32_t>(payload_.size()));
  out.u32(0);
  for (const SectionEntry& entry : sections_) {
    out.u8(static_cast<std::uint8_t>(entry.id));
    out.u8(static_cast<std::uint8_t>(entry.codec));
    out.u16(0);
    out.u32(entry.stored_size);
    out.u32(entry.raw_size);
    out.u32(entry.checksum);
  }
  if (summary != nullptr) write_summary(out, *summary);
  out.patch_u32(kChecksumPosition, header_checksum(out.bytes()));
  out.raw(payload_.bytes().data(), payload_.size());
  return out;
}

bool unpack_section(const SectionEntry& entry, std::span<const std::byte> stored, ByteWriter& raw) {
  raw.clear();
  if (stored.size() != entry.stored_size || crc32(stored) != entry.checksum) return false;
  if (entry.codec == Codec::stored) {
    if (entry.raw_size != entry.stored_size) return false;
    raw.raw(stored.data(), stored.size());
    return true;
  }
  if (entry.codec != Codec::zstd) return false;
  const std::size_t size =
      ZSTD_decompressDCtx(decompressor(), raw.prepare(entry.raw_size), entry.raw_size, stored.data(), stored.size());
  if (ZSTD_isError(size) != 0 || size != entry.raw_size) return false;
  raw.commit(size);
  return true;
}

void write_tail(ByteWriter& out, const Tail& tail) {
  const std::size_t start = out.size();
  out.u64(tail.index_offset);
  out.u64(tail.trailer_offset);
  out.u32(crc32(out.bytes().subspan(start)));
  out.u32(kTailMagic);
}

std::optional<Tail> parse_tail(std::span<const std::byte> bytes) {
  if (bytes.size() < kTailSize) return std::nullopt;
  bytes = bytes.last(kTailSize);
  ByteReader in(bytes);
  Tail tail;
  tail.index_offset = in.u64();
  tail.trailer_offset = in.u64();
  if (in.u32() != crc32(bytes.first(16)) || in.u32() != kTailMagic) return std::nullopt;
  return tail;
}

}  // namespace memray::format
