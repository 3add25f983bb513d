// A capture taken apart into what its blocks contain, so that it can be damaged where checksums do not notice.
#pragma once

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "capture/format.h"

namespace memray::fuzz {

struct Section {
  format::SectionId id{};
  std::string bytes;  // unpacked
};

struct Piece {
  BlockKind kind{};
  format::EventsSummary summary;  // of events blocks
  std::vector<Section> sections;
};

// All but index and tail, which are made anew.
std::vector<Piece> take_apart(std::string_view capture);
std::string put_together(const std::vector<Piece>& pieces, bool with_index);

// Changes some bytes of a text, which may grow to `max` bytes.
using ByteMutator = std::function<void(std::string& bytes, std::size_t max)>;

// Another capture of at most `max` bytes, or the same one where it would be larger.
std::string mutate(std::string_view capture, std::size_t max, std::mt19937& random, const ByteMutator& bytes);

}  // namespace memray::fuzz
