// A chain of frames as it was, and whether it is still so. Nearly every allocation asks, so this is the profiler's
// hottest loop.
//
// A link is compared with the live frame in four instructions and two branches that are never taken. Links are compared
// eight at a time: a jump back for each would not only cost a jump, but also put the interpreter's own jumps out of the
// processor's memory of recent ones, by which it predicts the interpreter's next (measured: a loop around each link
// slowed down CPython itself by another 10 %). So that chains of every length are made of whole groups, links of a
// frame of zeros that never changes follow behind the outermost.
#pragma once

#include "frame.h"

#include <cstdint>

namespace memray::python {

// What tells one moment of a frame from another, besides its caller. An instruction's address tells the code object
// too, as long as no code object has died, which the generation says.
enum class Moment : std::uint8_t {
  address,           // 3.11 and later
  address_and_flag,  // 3.11, where it matters which frames are the first of their evaluators
  index,             // 3.9, 3.10: of an instruction, and the code object
};

struct Link {
  std::uintptr_t frame;
  std::uintptr_t caller;
  std::uint64_t moment;
  std::uint64_t executable;
};

inline constexpr std::uint32_t kAtOnce = 8;
inline constexpr std::size_t kUnchangingBytes = 512;  // more than any field that is compared lies away from its frame
extern const char unchanging_frame[kUnchangingBytes];

inline constexpr unsigned kFlagShift = 56;  // above every address

template <Moment kMoment>
inline std::uint64_t moment(const Layout& layout, std::uintptr_t frame) {
  if constexpr (kMoment == Moment::index) {
    return load<std::uint32_t>(frame + layout.instruction);
  } else {
    const auto address = load<std::uint64_t>(frame + layout.instruction);
    if constexpr (kMoment == Moment::address) return address;
    return address | std::uint64_t{load<std::uint8_t>(frame + layout.entry_flag)} << kFlagShift;
  }
}

inline std::uint64_t instruction_of(std::uint64_t moment) { return moment & ((std::uint64_t{1} << kFlagShift) - 1); }
inline std::uint8_t flag_of(std::uint64_t moment) { return static_cast<std::uint8_t>(moment >> kFlagShift); }

// The link's frame is live.
template <Moment kMoment>
inline bool differs(const Layout& layout, const Link& link) {
  const auto unequal = [](std::uint64_t a, std::uint64_t b) { return __builtin_expect(a != b, false) != 0; };
  if (unequal(load<std::uintptr_t>(link.frame + layout.previous), link.caller)) return true;
  if constexpr (kMoment == Moment::index) {
    if (unequal(load<std::uint64_t>(link.frame + layout.executable), link.executable)) return true;
  }
  return unequal(moment<kMoment>(layout, link.frame), link.moment);
}

// Whether one of a group, of which `link` is the innermost, differs. The frame of `link` is live; each other frame is
// looked into only after a live one was found to point to it.
template <Moment kMoment>
[[gnu::always_inline]] inline bool group_differs(const Layout& layout, const Link* link) {
#pragma GCC unroll 8
  for (std::uint32_t i = 0; i < kAtOnce; ++i)
    if (differs<kMoment>(layout, *(link - i))) return true;
  return false;
}

// Whether links[from], ..., links[1] are as they were. The frame of links[from] is live; links[0], links[-1], ... are
// unchanging.
template <Moment kMoment>
[[gnu::always_inline]] inline bool are_unchanged(const Layout& layout, const Link* links, std::uint32_t from) {
  for (const Link* link = links + from; link > links; link -= kAtOnce)
    if (group_differs<kMoment>(layout, link)) return false;
  return true;
}

// The innermost of them that is not; 0 if all are.
template <Moment kMoment>
inline std::uint32_t first_difference(const Layout& layout, const Link* links, std::uint32_t from) {
  const Link* link = links + from;
  while (link > links && !group_differs<kMoment>(layout, link)) link -= kAtOnce;
  while (link > links && !differs<kMoment>(layout, *link)) --link;
  return link > links ? static_cast<std::uint32_t>(link - links) : 0;
}

}  // namespace memray::python
