#include "structure.h"

#include <algorithm>
#include <utility>

namespace memray::fuzz {

using namespace format;

namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}
std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr std::size_t kMostPieces = 64;

std::optional<Piece> piece_of(const BlockHeader& header, std::string_view payload) {
  Piece piece{header.kind, header.summary, {}};
  ByteWriter raw;
  for (const SectionEntry& entry : header.sections) {
    if (entry.raw_size > (std::size_t{1} << 20)) return std::nullopt;
    if (!unpack_section(entry, as_bytes(payload.substr(0, entry.stored_size)), raw)) return std::nullopt;
    piece.sections.push_back({entry.id, std::string(as_text(raw.bytes()))});
    payload.remove_prefix(entry.stored_size);
  }
  return piece;
}

std::uint64_t& field_of(EventsSummary& s, std::size_t number) {
  std::uint64_t* const fields[] = {
      &s.first_event, &s.events,     &s.first_allocation, &s.allocations, &s.deallocations,  &s.unknown_deallocations,
      &s.live_before, &s.live_after, &s.live_peak,        &s.peak_event,  &s.allocated_bytes};
  return *fields[number % std::size(fields)];
}

}  // namespace

std::vector<Piece> take_apart(std::string_view capture) {
  std::vector<Piece> pieces;
  std::size_t offset = kFileHeaderSize;
  while (offset < capture.size() && pieces.size() < kMostPieces) {
    const auto header = parse_block_header(as_bytes(capture.substr(offset)));
    if (!header || capture.size() - offset < header->block_size()) break;
    const auto piece = piece_of(*header, capture.substr(offset + header->header_size, header->payload_size));
    if (!piece) break;
    if (header->kind != BlockKind::index) pieces.push_back(*piece);
    offset += header->block_size();
  }
  return pieces;
}

std::string put_together(const std::vector<Piece>& pieces, bool with_index) {
  ByteWriter out;
  ByteWriter index;
  Compression none(false);
  out.raw(kSignature.data(), kSignature.size());
  out.u16(kMajor);
  out.u16(kMinor);
  out.u32(0);
  Tail tail;
  for (const Piece& piece : pieces) {
    if (piece.kind == BlockKind::trailer && with_index) {
      BlockBuilder block(BlockKind::index, none);
      block.add_section(SectionId::index, index.bytes());
      tail.index_offset = out.size();
      const ByteWriter bytes = block.finish();
      out.raw(bytes.bytes().data(), bytes.size());
      tail.trailer_offset = out.size();
    }
    BlockBuilder block(piece.kind, none);
    for (const Section& section : piece.sections) block.add_section(section.id, as_bytes(section.bytes));
    const ByteWriter bytes = block.finish(piece.kind == BlockKind::events ? &piece.summary : nullptr);
    index.u64(out.size());
    index.raw(bytes.bytes().data(), block_header_size(bytes.bytes()));
    out.raw(bytes.bytes().data(), bytes.size());
  }
  if (tail.trailer_offset != 0) write_tail(out, tail);
  return std::string(as_text(out.bytes()));
}

std::string mutate(std::string_view capture, std::size_t max, std::mt19937& random, const ByteMutator& bytes) {
  std::vector<Piece> pieces = take_apart(capture);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  std::string changed(capture);
  if (pieces.empty() || below(16) == 0) {
    bytes(changed, max);
    return changed;
  }
  Piece& piece = pieces[below(pieces.size())];
  const std::size_t what = below(16);
  if (what == 0 && pieces.size() > 1) {
    pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(below(pieces.size())));
  } else if (what == 1) {
    pieces.push_back(Piece(piece));
  } else if (what == 2) {
    std::swap(piece, pieces[below(pieces.size())]);
  } else if (what == 3 && !piece.sections.empty() && piece.sections.size() < kMaxSections) {
    Section copy = piece.sections[below(piece.sections.size())];
    copy.id = static_cast<SectionId>(below(70));
    piece.sections.push_back(std::move(copy));
  } else if (what == 4 && !piece.sections.empty()) {
    piece.sections.erase(piece.sections.begin() + static_cast<std::ptrdiff_t>(below(piece.sections.size())));
  } else if (what <= 6 && piece.kind == BlockKind::events) {
    std::uint64_t& field = field_of(piece.summary, random());
    field = below(2) == 0 ? random() : field + below(5) - 2;
  } else if (!piece.sections.empty()) {
    bytes(piece.sections[below(piece.sections.size())].bytes, max);
  }
  changed = put_together(pieces, below(4) != 0);
  return changed.size() <= max ? changed : std::string(capture);
}

}  // namespace memray::fuzz
