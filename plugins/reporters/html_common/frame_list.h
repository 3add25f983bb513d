// The frames and texts that a page names, numbered in order of first use.
//
// Names come from the program and may be of any length; a page is to stay small enough to open. Texts that are too long
// are shortened in the middle: to 4000 characters at first, to fewer the more text there is in all.
#pragma once

#include "html_common/frame_table.h"
#include "html_common/json.h"
#include "html_common/source_lines.h"

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace memray::html {

class FrameList {
 public:
  explicit FrameList(const FrameTable& table) : table_(table) {}

  std::uint64_t number(FrameNumber frame);
  const std::vector<FrameNumber>& frames() const { return frames_; }

  // Adds the fields "frames" and "strings".
  void add_to(Json& json, SourceLines& sources);

 private:
  std::uint64_t text(std::string_view content);

  const FrameTable& table_;
  std::unordered_map<std::uint32_t, std::uint64_t> number_of_frame_;
  std::vector<FrameNumber> frames_;
  std::unordered_map<std::string_view, std::uint64_t> number_of_text_;
  std::vector<std::string_view> texts_;
};

}  // namespace memray::html
