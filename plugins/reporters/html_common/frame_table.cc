#include "html_common/frame_table.h"

namespace memray::html {

FrameTable::FrameTable() {
  frames_.push_back({"<root>", "", 0, FrameKind::native});
  frames_.push_back({"(merged)", "", 0, FrameKind::native});
}

FrameNumber FrameTable::number(const DisplayFrame& frame) {
  const std::uint64_t function = text(frame.function);
  std::uint32_t& pair = pair_of_[function << 32 | text(frame.file)];
  if (pair == FlatMap::kNone) pair = pairs_++;

  const std::uint64_t line_and_kind = std::uint64_t{frame.line} << 1 | (frame.kind == FrameKind::native ? 1 : 0);
  std::uint32_t& number = frame_of_[std::uint64_t{pair} << 33 | line_and_kind];
  if (number == FlatMap::kNone) {
    number = static_cast<std::uint32_t>(frames_.size());
    frames_.push_back(frame);
  }
  return FrameNumber{number};
}

std::uint32_t FrameTable::text(std::string_view text) {
  const auto by_content = [&] {
    return texts_.try_emplace(text, static_cast<std::uint32_t>(texts_.size())).first->second;
  };
  if (text.empty() || text.size() >= 0xffff) return by_content();

  std::uint32_t& known = text_at_[reinterpret_cast<std::uintptr_t>(text.data()) | std::uint64_t{text.size()} << 48];
  if (known == FlatMap::kNone) known = by_content();
  return known;
}

}  // namespace memray::html
