#include "report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memray/text.h>

#include <algorithm>
#include <limits>

namespace memray::cli {

static std::string spelling(std::string_view name, char short_name) {
  return short_name ? fmt::format("-{},--{}", short_name, name) : fmt::format("--{}", name);
}

DeclaredOption& DeclaredOptions::add(std::string_view name) { return options_[std::string(name)]; }

void DeclaredOptions::flag(std::string_view name, char short_name, std::string_view help) {
  auto& declared = add(name);
  declared.option = command_.add_flag(spelling(name, short_name), declared.flag, std::string(help));
}

void DeclaredOptions::integer(std::string_view name, char short_name, std::int64_t default_value, std::int64_t min,
                              std::int64_t max, std::string_view help) {
  auto& declared = add(name);
  declared.integer = default_value;
  declared.option = command_
                        .add_option(spelling(name, short_name), declared.integer,
                                    fmt::format("{} (default: {})", help, default_value))
                        ->option_text(" N")
                        ->check([min, max](const std::string& text) -> std::string {
                          std::int64_t value = 0;
                          if (!CLI::detail::lexical_cast(text, value)) return text + " is not a whole number";
                          if (value >= min && value <= max) return {};
                          if (max == std::numeric_limits<std::int64_t>::max())
                            return fmt::format("{} is less than {}", value, min);
                          return fmt::format("{} is not between {} and {}", value, min, max);
                        });
}

void DeclaredOptions::text(std::string_view name, char short_name, std::string_view default_value,
                           std::string_view help) {
  auto& declared = add(name);
  declared.text = default_value;
  const std::string shown = default_value.empty() ? "" : fmt::format(" (default: {})", default_value);
  declared.option =
      command_.add_option(spelling(name, short_name), declared.text, std::string(help) + shown)->option_text(" TEXT");
}

void DeclaredOptions::choice(std::string_view name, char short_name, std::vector<std::string> values,
                             std::string_view default_value, std::string_view help) {
  auto& declared = add(name);
  declared.text = default_value;
  const auto list = fmt::format("{}", fmt::join(values, ","));
  declared.option = command_
                        .add_option(spelling(name, short_name), declared.text,
                                    fmt::format("{}: {} (default: {})", help, list, default_value))
                        ->option_text(" WHICH")
                        ->check([values, list](const std::string& text) -> std::string {
                          const bool known = std::find(values.begin(), values.end(), text) != values.end();
                          return known ? std::string() : fmt::format("'{}' is not one of {}", text, list);
                        });
}

void DeclaredOptions::views() {
  flag("leaks", '\0', "What was never freed, instead of what was live at the peak");
  flag("temporary-allocations", '\0', "What was freed again at once: as --temporary-allocation-threshold 1");
  integer("temporary-allocation-threshold", '\0', -1, -1, std::numeric_limits<std::int64_t>::max(),
          "What was freed before its thread had made more than N other allocations; -1: off");
  exclusive({"leaks", "temporary-allocations", "temporary-allocation-threshold"});
  moment("from",
         "Look at what happened after this moment: seconds since the start, or with a unit, as in 1.5s, 300ms, 2m");
  moment("to", "Look at what happened up to this moment");
}

void DeclaredOptions::moment(std::string_view name, std::string_view help) {
  auto& declared = add(name);
  declared.option = command_.add_option(spelling(name, '\0'), declared.text, std::string(help))
                        ->option_text(" TIME")
                        ->check([](const std::string& text) -> std::string {
                          return parse_duration(text) ? "" : text + " is not a time like 1.5s, 300ms or 2m";
                        });
}

Selection DeclaredOptions::selection() const {
  Selection selection;
  if (!has("leaks")) return selection;
  const std::int64_t threshold = get("temporary-allocation-threshold").integer;
  if (get("leaks").flag) selection.view = View::leaks;
  if (get("temporary-allocations").flag || threshold >= 0) selection.view = View::temporary;
  if (threshold >= 0) selection.threshold = static_cast<std::uint64_t>(threshold);
  const auto moment = [&](std::string_view name) -> std::optional<Time> {
    const auto given = parse_duration(get(name).text);
    return given ? std::optional(Time{*given}) : std::nullopt;
  };
  selection.from = moment("from");
  selection.to = moment("to");
  return selection;
}

void DeclaredOptions::output_file(std::string_view suffix) {
  output_suffix_ = suffix;
  auto& output = add("output");
  output.option =
      command_
          .add_option(
              "-o,--output", output.text,
              fmt::format("Where to write the report, - for standard output (default: memray-...{} beside the capture)",
                          suffix))
          ->option_text(" FILE");
  flag("force", 'f', "Overwrite the file if it exists");
}

void DeclaredOptions::output_file_of_whole_name(std::string_view suffix) {
  output_file(suffix);
  output_of_whole_name_ = true;
}

void DeclaredOptions::force() {
  if (const auto option = options_.find("force"); option != options_.end()) option->second.flag = true;
}

void DeclaredOptions::captures(std::size_t min, std::size_t max) {
  min_captures_ = min;
  max_captures_ = max;
}

void DeclaredOptions::complete() {
  for (const auto& names : exclusive_)
    for (const auto& a : names)
      for (const auto& b : names)
        if (a != b) options_.at(a).option->excludes(options_.at(b).option);
  command_.add_option("capture", capture_files_, "A recording made by memray run")
      ->option_text(max_captures_ > 1 ? " ..." : " ")
      ->required(min_captures_ > 0)
      ->expected(static_cast<int>(min_captures_), static_cast<int>(max_captures_));
}

const DeclaredOption& DeclaredOptions::get(std::string_view name) const {
  const auto found = options_.find(name);
  if (found == options_.end()) throw std::logic_error(fmt::format("the reporter never declared an option '{}'", name));
  return found->second;
}

}  // namespace memray::cli
