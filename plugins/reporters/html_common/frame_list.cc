#include "html_common/frame_list.h"

#include "html_common/packed.h"

#include <memray/text.h>

#include <algorithm>
#include <array>

namespace memray::html {

namespace {

constexpr std::size_t kTextBudget = 2'200'000;  // bytes of JSON

std::vector<std::string> shortened(const std::vector<std::string_view>& texts) {
  constexpr std::array<std::size_t, 10> kLengths = {4000, 1000, 250, 100, 60, 40, 28, 20, 12, 6};
  std::vector<std::string> result;
  for (const std::size_t length : kLengths) {
    result.clear();
    std::size_t size = 0;
    for (const std::string_view text : texts) {
      result.push_back(shorten_middle(text, length));
      const std::string escaped = json_string(result.back());
      size += escaped.size() + 5 * static_cast<std::size_t>(std::ranges::count(escaped, '<'));
    }
    if (size <= kTextBudget) break;
  }
  return result;
}

}  // namespace

std::uint64_t FrameList::text(std::string_view content) {
  const auto [place, fresh] = number_of_text_.try_emplace(content, texts_.size());
  if (fresh) texts_.push_back(content);
  return place->second;
}

std::uint64_t FrameList::number(FrameNumber frame) {
  const auto [place, fresh] = number_of_frame_.try_emplace(index(frame), frames_.size());
  if (fresh) frames_.push_back(frame);
  return place->second;
}

void FrameList::add_to(Json& json, SourceLines& sources) {
  const auto column = [&](auto number) {
    return pack(frames_, [&](FrameNumber frame) { return static_cast<std::uint64_t>(number(table_[frame], frame)); });
  };
  json.key("frames");
  json.open('{');
  json.field("function", column([&](const DisplayFrame& frame, FrameNumber) { return text(frame.function); }));
  json.field("file", column([&](const DisplayFrame& frame, FrameNumber) { return text(frame.file); }));
  json.field("line", column([](const DisplayFrame& frame, FrameNumber) { return frame.line; }));
  // 0 Python, 1 native, 2 neither: the root, or what was merged.
  json.field("kind", column([](const DisplayFrame& frame, FrameNumber number) {
               return number <= FrameTable::kMerged ? 2 : frame.kind == FrameKind::native ? 1 : 0;
             }));
  json.field("role", column([](const DisplayFrame& frame, FrameNumber) { return role_of(frame); }));
  json.field("source", column([&](const DisplayFrame& frame, FrameNumber) {
               return text(sources.line(frame.file, frame.line));
             }));
  json.close('}');
  json.list("strings", shortened(texts_));
}

}  // namespace memray::html
