// The distinct frames of a report, numbered.
//
// A report names the same few thousand frames millions of times. Texts handed in live as long as the table (they belong
// to the capture), so a frame is recognised by the addresses of its texts, without reading them; only a pair of
// addresses never met before is looked up by content.
#pragma once

#include <memray/query.h>

#include "html_common/flat_map.h"

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace memray::html {

enum class FrameNumber : std::uint32_t {};
constexpr std::uint32_t index(FrameNumber frame) { return static_cast<std::uint32_t>(frame); }

class FrameTable {
 public:
  // Frames that stand for no function of the program.
  static constexpr FrameNumber kRoot{0};
  static constexpr FrameNumber kMerged{1};

  FrameTable();
  FrameNumber number(const DisplayFrame& frame);
  const DisplayFrame& operator[](FrameNumber frame) const { return frames_[index(frame)]; }
  std::size_t size() const { return frames_.size(); }

 private:
  std::uint32_t text(std::string_view text);

  std::vector<DisplayFrame> frames_;
  FlatMap text_at_;  // (address, size) -> text
  std::unordered_map<std::string_view, std::uint32_t> texts_;
  FlatMap pair_of_;  // (function, file) -> number of the pair
  std::uint32_t pairs_ = 0;
  FlatMap frame_of_;  // (pair, line, kind) -> frame
};

}  // namespace memray::html
