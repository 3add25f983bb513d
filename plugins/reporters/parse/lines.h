// Text lines on their way out: formatted into a buffer, written in large pieces.
#pragma once

#include <fmt/compile.h>
#include <fmt/format.h>
#include <memray/text.h>

#include <iterator>
#include <ostream>
#include <string_view>

namespace memray::parse {

class Lines {
 public:
  explicit Lines(std::ostream& out) : out_(out) {}

  template <typename Format, typename... Args>
  void add(const Format& format, const Args&... args) {
    fmt::format_to(std::back_inserter(buffer_), format, args...);
    buffer_.push_back('\n');
    if (buffer_.size() >= kFull) flush();
  }

  void flush() {
    out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.clear();
  }

 private:
  static constexpr std::size_t kFull = 1u << 16;

  std::ostream& out_;
  fmt::memory_buffer buffer_;
};

inline std::string quoted(std::string_view text) { return json_string(text); }

}  // namespace memray::parse
