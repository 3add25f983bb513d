// Fitting: numbers are never cut. Where the table is too wide the headings break into two lines first, then locations
// give way: a path loses its leading folders before a function loses its middle.

#include "table.h"

#include <fmt/format.h>
#include <memray/text.h>

#include <algorithm>
#include <array>

namespace memray::summary {
namespace {

constexpr std::size_t kColumns = 6;
constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowestLocation = 20;
constexpr std::size_t kEllipsisAndSlash = 2;
constexpr std::size_t kWidestUnbounded =
    300;  // where no line is too long: rows are not padded for the sake of a longer one
constexpr std::string_view kBold = "\x1b[1m", kDim = "\x1b[2m", kReset = "\x1b[0m";

using Cells = std::array<std::string, kColumns>;
using Widths = std::array<std::size_t, kColumns>;

std::string_view colour_of(std::uint64_t part, std::uint64_t whole) {
  const double share = whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  if (share > 0.60) return "\x1b[31m";
  if (share > 0.20) return "\x1b[33m";
  if (share > 0.05) return "\x1b[32m";
  return {};
}

// The headings over one or two lines.
std::vector<Cells> headings(SortColumn sorted, bool two_lines) {
  Cells top = {"", "Total", "Total", "Own", "Own", "Allocation"};
  Cells bottom = {"Location", "Memory", "Memory %", "Memory", "Memory %", "Count"};
  const auto column = static_cast<std::size_t>(sorted);
  top[column] = "<" + top[column];
  bottom[column] += ">";
  if (two_lines) return {top, bottom};
  for (std::size_t i = 1; i < kColumns; ++i) bottom[i] = top[i] + " " + bottom[i];
  return {bottom};
}

Cells cells(const FunctionTotal& row, std::uint64_t whole) {
  return {location_text(row.function, row.file), size_text(row.total_bytes),
          percent_text(row.total_bytes, whole),  size_text(row.own_bytes),
          percent_text(row.own_bytes, whole),    std::to_string(row.count)};
}

void widen(Widths& widths, const Cells& line) {
  for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], text_width(line[i]));
}

std::size_t sum(const Widths& widths) {
  std::size_t total = kGap * (kColumns - 1);
  for (const std::size_t width : widths) total += width;
  return total;
}

}  // namespace

std::string location_text(std::string_view function, std::string_view file, std::size_t width) {
  if (function.empty() && file.empty()) return "???";
  const std::string name = printable(function.empty() ? "<unknown>" : function);
  const std::string path = printable(file);
  if (path.empty()) return width == 0 ? name : shorten_middle(name, width);
  constexpr std::string_view kAt = " at ";
  std::string full = fmt::format("{}{}{}", name, kAt, path);
  if (width == 0 || text_width(full) <= width) return full;

  // The file's own name is worth keeping, and half of the room if the function wants the other half.
  const std::size_t base = text_width(std::string_view(path).substr(path.rfind('/') + 1)) + kEllipsisAndSlash;
  const std::size_t room = width - std::min(width, kAt.size());
  const std::size_t least_path = std::min({base, text_width(path), room / 2});
  const std::string short_name = shorten_middle(name, room - least_path);
  return fmt::format("{}{}{}", short_name, kAt, shorten_path(path, room - text_width(short_name)));
}

std::string render(const std::vector<FunctionTotal>& rows, const TableStyle& style) {
  std::vector<Cells> body;
  Widths content{};
  for (const FunctionTotal& row : rows) widen(content, body.emplace_back(cells(row, style.whole)));

  if (style.width == 0) content[0] = std::min(content[0], kWidestUnbounded);
  bool two_lines = false;
  Widths widths{};
  for (;; two_lines = true) {
    widths = content;
    for (const Cells& line : headings(style.sorted, two_lines)) widen(widths, line);
    if (two_lines || style.width == 0 || sum(widths) <= style.width) break;
  }
  if (style.width != 0 && sum(widths) > style.width) {
    const std::size_t excess = sum(widths) - style.width;
    widths[0] = std::max(widths[0] - std::min(widths[0], excess), kNarrowestLocation);
    for (std::size_t i = 0; i < rows.size(); ++i) body[i][0] = location_text(rows[i].function, rows[i].file, widths[0]);
  }

  std::string out;
  const auto line = [&](const Cells& texts, std::array<std::string_view, kColumns> colours) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      if (i > 0) out.append(kGap, ' ');
      const std::string cell = i == 0 ? pad_right(texts[i], widths[i]) : pad_left(texts[i], widths[i]);
      if (style.colour && !colours[i].empty())
        out.append(colours[i]).append(cell).append(kReset);
      else
        out += cell;
    }
    out += '\n';
  };
  for (const Cells& heading : headings(style.sorted, two_lines))
    line(heading, {kBold, kBold, kBold, kBold, kBold, kBold});
  if (style.colour) out += kDim;
  for (std::size_t i = 0; i < sum(widths); ++i) out += "─";
  if (style.colour) out += kReset;
  out += '\n';
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string_view total = colour_of(rows[i].total_bytes, style.whole);
    const std::string_view own = colour_of(rows[i].own_bytes, style.whole);
    line(body[i], {total, total, total, own, own, {}});
  }
  return out;
}

}  // namespace memray::summary
