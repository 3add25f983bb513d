#include <fmt/format.h>
#include <memray/text.h>

#include <array>

namespace memray {
namespace {

constexpr std::string_view kEllipsis = "…";
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Bytes of the well-formed UTF-8 sequence that `text` starts with; 0 if it does not start with one.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (!is_continuation(text[i])) return 0;
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) > 0x9f;
  const bool too_large = first == 0xf4 && byte(1) > 0x8f;
  return overlong || surrogate || too_large ? 0 : length;
}

// Calls `character` with each well-formed character, kReplacement standing in for every byte of anything else.
template <typename Function>
void for_each_character(std::string_view text, Function character) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    character(length == 0 ? kReplacement : text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;  // the C1 set, U+0080 to U+009F
}

std::string_view first_columns(std::string_view text, std::size_t count) {
  std::size_t end = 0;
  while (end < text.size() && count > 0) {
    do ++end;
    while (end < text.size() && is_continuation(text[end]));
    --count;
  }
  return text.substr(0, end);
}

std::string_view last_columns(std::string_view text, std::size_t count) {
  std::size_t begin = text.size();
  while (begin > 0 && count > 0) {
    do --begin;
    while (begin > 0 && is_continuation(text[begin]));
    --count;
  }
  return text.substr(begin);
}

}  // namespace

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{}B", bytes);
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  // What would be rounded up to 1000.000 is shown in the next unit.
  for (; value >= 999.9995 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return fmt::format("{:.3f}{}", value, kUnits[unit]);
}

std::string percent_text(std::uint64_t part, std::uint64_t whole) {
  return fmt::format("{:.2f}%", whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::size_t text_width(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) width += !is_continuation(c);
  return width;
}

std::string pad_left(std::string_view text, std::size_t width) {
  const std::size_t used = text_width(text);
  std::string padded(used < width ? width - used : 0, ' ');
  return padded.append(text);
}

std::string pad_right(std::string_view text, std::size_t width) {
  const std::size_t used = text_width(text);
  return std::string(text).append(used < width ? width - used : 0, ' ');
}

std::string shorten_middle(std::string_view text, std::size_t width) {
  if (text_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  const std::size_t tail = (width - 1) / 2;
  return fmt::format("{}{}{}", first_columns(text, width - 1 - tail), kEllipsis, last_columns(text, tail));
}

std::string shorten_path(std::string_view path, std::size_t width) {
  if (text_width(path) <= width) return std::string(path);
  if (width == 0) return {};
  const std::string_view tail = last_columns(path, width - 1);
  const std::size_t slash = tail.find('/');
  if (slash != std::string_view::npos) return fmt::format("{}{}", kEllipsis, tail.substr(slash));
  const std::size_t name = path.rfind('/');
  return shorten_middle(name == std::string_view::npos ? path : path.substr(name + 1), width);
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_each_character(text, [&](std::string_view character) {
    if (!is_control(character)) {
      out += character;
    } else if (character == "\n") {
      out += "\\n";
    } else if (character == "\t") {
      out += "\\t";
    } else {
      const auto code = static_cast<unsigned char>(character.back());
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", code);
    }
  });
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for_each_character(text, [&](std::string_view character) {
    switch (character[0]) {
      case '"':
        out += "\\\"";
        return;
      case '\\':
        out += "\\\\";
        return;
      case '\n':
        out += "\\n";
        return;
      case '\r':
        out += "\\r";
        return;
      case '\t':
        out += "\\t";
        return;
      default:
        break;
    }
    if (static_cast<unsigned char>(character[0]) < 0x20)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(character[0]));
    else
      out += character;
  });
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace memray
