// Small helpers for reports in text: sizes, alignment, shortening, quoting. All text is UTF-8; a character counts as
// one column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace memray {

// SI units, three decimals: "960B", "8.986kB", "1.250GB".
std::string size_text(std::uint64_t bytes);

// What people write: "512", "1.5kB", "512MB", "2GB" (powers of 1000), "4KiB", "1GiB" (of 1024); capitals do not matter,
// and neither does a missing B.
std::optional<std::uint64_t> parse_size(std::string_view text);

// "1.5" and "1.5s", "300ms", "20us", "7ns", "2m", "1h", in nanoseconds.
std::optional<std::int64_t> parse_duration(std::string_view text);

// "1.234s", "12.5ms", "2m03.4s".
std::string duration_text(std::int64_t nanoseconds);

// Part of `whole` with two decimals: "12.34%". Of nothing, everything is 0%.
std::string percent_text(std::uint64_t part, std::uint64_t whole);

std::size_t text_width(std::string_view text);
std::string pad_left(std::string_view text, std::size_t width);
std::string pad_right(std::string_view text, std::size_t width);

// At most `width` columns, with an ellipsis where something had to go: in the middle, or, for paths, at the front up to
// a slash where possible.
std::string shorten_middle(std::string_view text, std::size_t width);
std::string shorten_path(std::string_view path, std::size_t width);

// Safe to show on a terminal: control characters as "\n" or "\x1b", bytes that are not UTF-8 as U+FFFD.
std::string printable(std::string_view text);

// Appends `text` as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

}  // namespace memray
