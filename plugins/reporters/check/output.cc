#include "output.h"

#include <fmt/format.h>
#include <memray/text.h>

#include <algorithm>

namespace memray::check {
namespace {

bool all_passed(const std::vector<Outcome>& outcomes) { return std::ranges::all_of(outcomes, &Outcome::passed); }

std::string number_json(const std::optional<std::uint64_t>& number) {
  return number ? std::to_string(*number) : "null";
}

// What XML 1.0 cannot hold even escaped is gone: printable() made text of control characters.
std::string xml(std::string_view text) {
  std::string escaped;
  for (const char c : printable(text)) {
    if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '&')
      escaped += "&amp;";
    else if (c == '"')
      escaped += "&quot;";
    else
      escaped += c;
  }
  return escaped;
}

}  // namespace

std::string text_report(const std::vector<Outcome>& outcomes, int columns) {
  constexpr std::string_view kIndent = "          ";
  const auto width = static_cast<std::size_t>(std::max(columns, 40)) - kIndent.size();
  std::string text;
  for (const Outcome& outcome : outcomes) {
    text += fmt::format("{}  {}\n", outcome.passed ? "ok    " : "FAILED", outcome.reason);
    for (const std::string& line : outcome.details)
      text += fmt::format("{}{}\n", kIndent, columns == 0 ? line : shorten_middle(line, width));
  }
  return text;
}

std::string json_report(const Capture& capture, const std::vector<Outcome>& outcomes) {
  std::string json = fmt::format("{{\n  \"capture\": {},\n  \"passed\": {},\n  \"checks\": [",
                                 json_string(capture.path()), all_passed(outcomes));
  const char* separator = "\n    ";
  for (const Outcome& outcome : outcomes) {
    json += fmt::format(
        "{}{{\"name\": \"{}\", \"passed\": {}, \"value\": {}, \"limit\": {}, \"reason\": {}, \"details\": [", separator,
        outcome.name, outcome.passed, number_json(outcome.value), number_json(outcome.limit),
        json_string(outcome.reason));
    for (std::size_t i = 0; i < outcome.details.size(); ++i)
      json += (i == 0 ? "" : ", ") + json_string(outcome.details[i]);
    json += "]}";
    separator = ",\n    ";
  }
  return json + "\n  ]\n}\n";
}

std::string junit_report(const Capture& capture, const std::vector<Outcome>& outcomes) {
  const auto failures = std::ranges::count_if(outcomes, [](const Outcome& outcome) { return !outcome.passed; });
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"memray check\" tests=\"{}\" failures=\"{}\" "
      "errors=\"0\">\n",
      outcomes.size(), failures);
  for (const Outcome& outcome : outcomes) {
    text += fmt::format("  <testcase classname=\"{}\" name=\"{}\"", xml(capture.path()), outcome.name);
    if (outcome.passed) {
      text += "/>\n";
      continue;
    }
    text += fmt::format(">\n    <failure message=\"{}\">", xml(outcome.reason));
    for (const std::string& line : outcome.details) text += xml(line) + "\n";
    text += "</failure>\n  </testcase>\n";
  }
  return text + "</testsuite>\n";
}

}  // namespace memray::check
