#include "report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

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

void DeclaredOptions::views() { flag("leaks", '\0', "What was never freed, instead of what was live at the peak"); }

void DeclaredOptions::output_file(std::string_view suffix) {
  output_suffix_ = suffix;
  auto& output = add("output");
  output.option =
      command_
          .add_option("-o,--output", output.text,
                      fmt::format("Where to write the report (default: memray-...{} beside the capture)", suffix))
          ->option_text(" FILE");
  flag("force", 'f', "Overwrite the file if it exists");
}

void DeclaredOptions::output_file_of_whole_name(std::string_view suffix) {
  output_file(suffix);
  output_of_whole_name_ = true;
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
