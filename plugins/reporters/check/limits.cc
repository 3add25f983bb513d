#include "limits.h"

#include <fmt/format.h>
#include <memray/text.h>

#include <algorithm>
#include <charconv>
#include <functional>

namespace memray::check {
namespace {

constexpr std::size_t kDetails = 5;

std::string place(const std::vector<DisplayFrame>& stack) {
  if (stack.empty()) return "without a stack";
  const DisplayFrame& frame = stack.front();
  std::string text = fmt::format("in {} at {}", frame.function, frame.file);
  if (frame.line != 0) text += fmt::format(":{}", frame.line);
  return printable(text);
}

std::string amount(std::uint64_t value, bool is_bytes) { return is_bytes ? size_text(value) : std::to_string(value); }

std::vector<std::string> largest(const Capture& capture, const Snapshot& snapshot) {
  std::vector<Group> groups = snapshot.groups;
  std::ranges::stable_sort(groups, std::greater<>(), &Group::bytes);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::min(groups.size(), kDetails); ++i)
    lines.push_back(fmt::format("{} in {} allocation{} {}", size_text(groups[i].bytes), groups[i].count,
                                groups[i].count == 1 ? "" : "s", place(display_stack(capture, groups[i]))));
  return lines;
}

std::vector<std::string> most_growth(const Capture& before, const Snapshot& a, const Capture& after,
                                     const Snapshot& b) {
  std::vector<std::string> lines;
  for (const DiffRow& row : diff(before, a, after, b).rows) {
    if (row.change() <= 0 || lines.size() == kDetails) break;
    lines.push_back(fmt::format("+{} (from {} to {}) {}", size_text(row.bytes_after - row.bytes_before),
                                size_text(row.bytes_before), size_text(row.bytes_after), place(row.stack)));
  }
  return lines;
}

// Everything that limits are about, of one capture; leaks only if somebody asks.
class Figures {
 public:
  explicit Figures(const Capture& c) : capture(c) {}
  std::uint64_t peak_bytes() const { return capture.totals().peak_bytes; }
  std::uint64_t allocations() const { return capture.totals().allocations; }
  const Snapshot& at_peak() const { return get(peak_, View::peak); }
  const Snapshot& leaked() const { return get(leaked_, View::leaks); }

  const Capture& capture;

 private:
  const Snapshot& get(std::optional<Snapshot>& kept, View view) const {
    if (!kept) kept = snapshot(capture, view);
    return *kept;
  }
  mutable std::optional<Snapshot> peak_, leaked_;
};

Outcome compare(std::string name, std::string_view what, std::uint64_t value, std::uint64_t limit, bool is_bytes,
                std::string_view limit_text) {
  Outcome outcome;
  outcome.name = std::move(name);
  outcome.passed = value <= limit;
  outcome.value = value;
  outcome.limit = limit;
  std::string over;
  if (!outcome.passed) over = fmt::format(", {} over", amount(value - limit, is_bytes));
  outcome.reason =
      fmt::format("{}: {}, {}: {}{}", what, amount(value, is_bytes), limit_text, amount(limit, is_bytes), over);
  return outcome;
}

Outcome check_complete(const Capture& capture) {
  Outcome outcome{"complete", true, "the recording is complete", {}, {}, {}};
  const Metadata& metadata = capture.metadata();
  if (capture.damage())
    outcome = {"complete", false, "the recording is incomplete: " + *capture.damage(), {}, {}, {}};
  else if (metadata.dropped_events > 0)
    outcome = {"complete", false, fmt::format("{} events were lost while recording", metadata.dropped_events),
               {},         {},    {}};
  else if (metadata.ending.kind == Ending::Kind::unknown)
    outcome = {"complete", false, "the recording was cut short: the program's end is not part of it", {}, {}, {}};
  return outcome;
}

std::uint64_t size_option(const ReportContext& context, std::string_view option) {
  const auto size = parse_size(context.text(option));
  if (!size)
    throw ReportUsageError(fmt::format("--{}: '{}' is not a size like 512MB or 2GiB", option, context.text(option)));
  return *size;
}

Capture open_baseline(const std::string& path) {
  try {
    return Capture(path);
  } catch (const CaptureError& error) {
    throw ReportError(fmt::format("Failed to parse allocation records in {}\nReason: The provided input file {}", path,
                                  error.what()));
  }
}

void check_baseline(const ReportContext& context, const Figures& now, std::vector<Outcome>& outcomes) {
  const Capture capture = open_baseline(context.text("baseline"));
  const Figures before(capture);
  const Tolerance tolerance = parse_tolerance(context.text("tolerance"));
  const auto add = [&](std::string name, std::string_view what, std::uint64_t value, std::uint64_t was, bool is_bytes) {
    const std::string limit = fmt::format("before {}, allowed", amount(was, is_bytes));
    outcomes.push_back(compare(std::move(name), what, value, tolerance.limit(was, is_bytes), is_bytes, limit));
    return outcomes.back().passed;
  };
  if (!add("baseline-peak", "peak memory", now.peak_bytes(), before.peak_bytes(), true))
    outcomes.back().details = most_growth(capture, before.at_peak(), now.capture, now.at_peak());
  if (!add("baseline-leaks", "not freed", now.leaked().bytes, before.leaked().bytes, true))
    outcomes.back().details = most_growth(capture, before.leaked(), now.capture, now.leaked());
  if (context.flag("baseline-allocations"))
    add("baseline-allocations", "allocations", now.allocations(), before.allocations(), false);
}

}  // namespace

std::uint64_t Tolerance::limit(std::uint64_t baseline, bool is_bytes) const {
  const double more = static_cast<double>(baseline) * part;
  return baseline + static_cast<std::uint64_t>(more) + (is_bytes ? bytes : 0);
}

Tolerance parse_tolerance(const std::string& text) {
  if (text.ends_with('%')) {
    double percent = 0;
    const char* const end = text.data() + text.size() - 1;
    const auto [at, error] = std::from_chars(text.data(), end, percent, std::chars_format::fixed);
    if (error == std::errc() && at == end && percent >= 0 && percent <= 1e6) return {percent / 100, 0};
  } else if (const auto size = parse_size(text)) {
    return {0, *size};
  }
  throw ReportUsageError(fmt::format("--tolerance: '{}' is neither a part like 5% nor a size like 10MB", text));
}

std::vector<Outcome> check_all(const ReportContext& context) {
  const Figures now(context.capture());
  parse_tolerance(context.text("tolerance"));
  std::vector<Outcome> outcomes;
  if (!context.flag("allow-incomplete")) outcomes.push_back(check_complete(now.capture));
  if (context.given("max-peak")) {
    outcomes.push_back(
        compare("max-peak", "peak memory", now.peak_bytes(), size_option(context, "max-peak"), true, "limit"));
    if (!outcomes.back().passed) outcomes.back().details = largest(now.capture, now.at_peak());
  }
  if (context.given("max-leaks")) {
    outcomes.push_back(
        compare("max-leaks", "not freed", now.leaked().bytes, size_option(context, "max-leaks"), true, "limit"));
    if (!outcomes.back().passed) outcomes.back().details = largest(now.capture, now.leaked());
  }
  if (context.given("max-allocations"))
    outcomes.push_back(compare("max-allocations", "allocations", now.allocations(),
                               static_cast<std::uint64_t>(context.integer("max-allocations")), false, "limit"));
  if (context.given("baseline")) check_baseline(context, now, outcomes);
  return outcomes;
}

}  // namespace memray::check
