// Sizes and durations as people write them.

#include <fmt/format.h>
#include <memray/text.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace memray {
namespace {

struct Quantity {
  double value;
  std::string unit;  // in small letters
};

std::optional<Quantity> parse_quantity(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(value) || value < 0) return std::nullopt;
  std::string unit(end, text.data() + text.size());
  while (unit.starts_with(' ')) unit.erase(0, 1);
  for (char& c : unit)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return Quantity{value, unit};
}

template <typename Number>
std::optional<Number> whole(double value) {
  if (value >= static_cast<double>(std::numeric_limits<Number>::max())) return std::nullopt;
  return static_cast<Number>(std::llround(value));
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  auto quantity = parse_quantity(text);
  if (!quantity) return std::nullopt;
  std::string& unit = quantity->unit;
  if (unit.ends_with('b')) unit.pop_back();
  const bool binary = unit.ends_with('i');
  if (binary) unit.pop_back();
  constexpr std::string_view kPrefixes = "kmgtpe";
  if (unit.size() > 1 || (binary && unit.empty())) return std::nullopt;
  const std::size_t power = unit.empty() ? 0 : kPrefixes.find(unit[0]) + 1;
  if (!unit.empty() && power == 0) return std::nullopt;
  return whole<std::int64_t>(quantity->value * std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(power)));
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 7> kUnits = {
      {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"m", 60e9}, {"h", 3600e9}}};
  const auto quantity = parse_quantity(text);
  if (!quantity) return std::nullopt;
  for (const auto& [name, factor] : kUnits)
    if (quantity->unit == name) return whole<std::int64_t>(quantity->value * factor);
  return std::nullopt;
}

std::string duration_text(std::int64_t nanoseconds) {
  const double seconds = static_cast<double>(nanoseconds) / 1e9;
  if (seconds < 1) return fmt::format("{:.1f}ms", seconds * 1e3);
  if (seconds < 60) return fmt::format("{:.3f}s", seconds);
  const std::int64_t minutes = nanoseconds / 60'000'000'000;
  return fmt::format("{}m{:04.1f}s", minutes, seconds - static_cast<double>(minutes) * 60);
}

}  // namespace memray
