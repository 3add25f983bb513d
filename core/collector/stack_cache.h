// The stacks that grew lately, by parent and frame word: direct-mapped, in front of the table of frames and the stack
// tree. Looked up once for every frame of every stack change.
#pragma once

#include <memray/types.h>

#include <cstdint>
#include <vector>

namespace memray::collector {

class StackCache {
 public:
  // The stack for `parent` and `word`; where it is not at hand, what `make()` returns.
  template <typename Make>
  StackId get(StackId parent, std::uint64_t word, Make make) {
    const std::uint64_t hash = (word ^ std::uint64_t{index(parent)} * 0xff51'afd7'ed55'8ccdu) * 0x9e37'79b9'7f4a'7c15u;
    Entry& entry = entries_[hash >> 51];
    if (entry.word != word || entry.parent != parent) [[unlikely]]
      entry = {word, parent, make()};
    return entry.stack;
  }

  void clear() { entries_.assign(kEntries, {}); }

 private:
  static constexpr std::size_t kEntries = std::size_t{1} << 13;
  struct Entry {
    std::uint64_t word = 0;
    StackId parent{0xffff'ffff};  // no stack has that many below it
    StackId stack{};
  };

  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
};

}  // namespace memray::collector
