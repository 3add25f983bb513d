#include "capture/mappings.h"

#include <iterator>

namespace memray {

void Mappings::insert(const Mapping& mapping, std::uint64_t size) {
  pieces_.emplace(mapping.address, Piece{mapping.address + size, std::make_shared<Mapping>(mapping)});
  ++live_;
}

Mappings::Pieces::iterator Mappings::first_ending_after(std::uint64_t address) {
  auto at = pieces_.upper_bound(address);
  if (at != pieces_.begin() && std::prev(at)->second.end > address) --at;
  return at;
}

Mappings::Pieces::iterator Mappings::cut(Pieces::iterator piece, std::uint64_t from, std::uint64_t to) {
  Mapping& mapping = *piece->second.mapping;
  const std::uint64_t end = piece->second.end;
  const bool head_stays = piece->first < from;
  const bool rest_stays = to < end;
  mapping.remaining -= to - from;
  mapping.pieces += (head_stays ? 1u : 0u) + (rest_stays ? 1u : 0u);
  --mapping.pieces;
  if (mapping.pieces == 0) --live_;

  auto next = std::next(piece);
  if (rest_stays) next = pieces_.emplace_hint(next, to, Piece{end, piece->second.mapping});
  if (head_stays) {
    piece->second.end = from;
  } else {
    pieces_.erase(piece);
  }
  return next;
}

}  // namespace memray
