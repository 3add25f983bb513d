// The mappings of one process as disjoint pieces in order of address. Mappings are rare and are cut into pieces, which
// is why they live in a tree, apart from the heap blocks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace memray {

struct Mapping {
  std::uint64_t number = 0;  // of the allocation
  std::uint64_t address = 0;
  std::uint64_t stamp = 0;
  std::uint64_t remaining = 0;  // bytes
  std::uint32_t site = 0;
  std::uint32_t pieces = 1;
};

// What one unmapping took from one piece.
struct Removal {
  const Mapping& mapping;  // as it is after the removal
  std::uint64_t address;
  std::uint64_t size;
};

class Mappings {
 public:
  // Nothing of [address, address + size) may be mapped; size is not 0.
  void insert(const Mapping& mapping, std::uint64_t size);

  // Takes [start, end) from every mapping that is not younger than `stamp`, and calls `removed(Removal)` for each piece
  // touched, in order of address. Returns whether anything, of whatever age, was mapped there.
  template <typename F>
  bool remove(std::uint64_t start, std::uint64_t end, std::uint64_t stamp, F removed) {
    bool touched = false;
    for (auto at = first_ending_after(start); at != pieces_.end() && at->first < end;) {
      touched = true;
      if (at->second.mapping->stamp > stamp) {
        ++at;
        continue;
      }
      const std::shared_ptr<Mapping> mapping = at->second.mapping;
      const std::uint64_t from = std::max(start, at->first);
      const std::uint64_t to = std::min(end, at->second.end);
      at = cut(at, from, to);
      removed(Removal{*mapping, from, to - from});
    }
    return touched;
  }

  std::uint64_t live_count() const { return live_; }

 private:
  struct Piece {
    std::uint64_t end = 0;
    std::shared_ptr<Mapping> mapping;
  };
  using Pieces = std::map<std::uint64_t, Piece>;

  Pieces::iterator first_ending_after(std::uint64_t address);
  // Removes [from, to), which lies within the piece. Returns what follows the range.
  Pieces::iterator cut(Pieces::iterator piece, std::uint64_t from, std::uint64_t to);

  Pieces pieces_;
  std::uint64_t live_ = 0;  // mappings with a piece left
};

}  // namespace memray
