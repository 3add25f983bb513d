// One JSON text under construction: separators and quotes are its business, structure is the caller's.
#pragma once

#include <fmt/format.h>
#include <memray/text.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace memray::html {

class Json {
 public:
  void open(char bracket) { separate(), text_ += bracket, first_ = true; }
  void close(char bracket) { text_ += bracket, first_ = false; }
  void key(std::string_view name) {
    separate();
    append_json_string(text_, name);
    text_ += ':';
    first_ = true;
  }
  void value(std::string_view text) { separate(), append_json_string(text_, text); }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(const char* text) { value(std::string_view(text)); }
  void value(bool truth) { separate(), text_ += truth ? "true" : "false"; }
  void value(std::uint64_t number) { separate(), fmt::format_to(std::back_inserter(text_), "{}", number); }

  template <typename T>
  void field(std::string_view name, const T& content) {
    key(name);
    value(content);
  }
  // What is JSON already.
  void json(std::string_view name, std::string_view content) {
    key(name);
    separate();
    text_ += content;
  }
  template <typename Range>
  void list(std::string_view name, const Range& range) {
    key(name);
    open('[');
    for (const auto& item : range) value(item);
    close(']');
  }
  std::string take() && { return std::move(text_); }

 private:
  void separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  std::string text_;
  bool first_ = true;
};

}  // namespace memray::html
