// Numbers for frames, in the order in which they come up.
#pragma once

#include <memray/query.h>

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace memray::transform {

class FrameNumbers {
 public:
  enum class Lines { matter, do_not_matter };
  explicit FrameNumbers(Lines lines) : lines_(lines) {}

  std::uint32_t number(DisplayFrame frame) {
    if (lines_ == Lines::do_not_matter) frame.line = 0;
    const auto next = static_cast<std::uint32_t>(frames_.size());
    const auto [entry, fresh] = numbers_.try_emplace({frame.function, frame.file, frame.line}, next);
    if (fresh) frames_.push_back(frame);
    return entry->second;
  }
  const std::vector<DisplayFrame>& frames() const { return frames_; }

 private:
  struct Key {
    std::string_view function, file;
    std::uint32_t line;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      const std::hash<std::string_view> hash;
      return (hash(key.function) * 31 + hash(key.file)) * 31 + key.line;
    }
  };

  Lines lines_;
  std::vector<DisplayFrame> frames_;
  std::unordered_map<Key, std::uint32_t, Hash> numbers_;
};

}  // namespace memray::transform
