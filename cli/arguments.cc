#include "arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/Error.hpp>

#include <algorithm>
#include <cstdio>

namespace memray::cli {
namespace {

class HelpLayout : public CLI::Formatter {
 public:
  explicit HelpLayout(const std::string& usage) : usage_(usage) { column_width(30); }

  std::string make_help(const CLI::App* command, std::string, CLI::AppFormatMode) const override {
    return fmt::format("Usage: {}\n\n{}\n{}{}{}", usage_, command->get_description(), make_positionals(command),
                       make_groups(command, CLI::AppFormatMode::Normal), make_footer(command));
  }

  std::string make_footer(const CLI::App* command) const override {
    const std::string text = command->get_footer();
    return text.empty() ? "" : "\n" + text + "\n";
  }

  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    std::string text = fmt::format("\n{}:\n", group);
    for (const auto* option : options) text += make_option(option, is_positional);
    return text;
  }

  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, is_positional);
    if (const auto comma = name.find(','); comma != name.npos) name.insert(comma + 1, " ");
    if (name.starts_with("--")) name.insert(0, "    ");
    return name;
  }

  std::string make_option_opts(const CLI::Option* option) const override { return option->get_option_text(); }

 private:
  std::string usage_;
};

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

bool is_long(const std::string& argument) { return argument.size() > 2 && argument.starts_with("--"); }

}  // namespace

Command::Command(const std::string& description, std::string usage)
    : CLI::App(description, "memray"), usage_line_(std::move(usage)) {
  set_help_flag("-h,--help", "Show this help");
  formatter(std::make_shared<HelpLayout>(usage_line_));
}

const CLI::Option* Command::find_option(const std::string& name) const { return get_option_no_throw(name); }

// "--outp=x" as "--output=x".
std::string Command::complete(const std::string& argument) const {
  const std::string name = argument.substr(0, argument.find('='));
  if (!is_long(argument) || find_option(name)) return argument;
  std::vector<std::string> matches;
  for (const auto* option : get_options())
    for (const auto& long_name : option->get_lnames())
      if (long_name.starts_with(name.substr(2))) matches.push_back("--" + long_name);
  if (matches.empty()) return argument;
  if (matches.size() > 1)
    throw UsageError(fmt::format("option {} could mean {}", name, fmt::join(matches, " or ")), usage_line_);
  return matches.front() + argument.substr(name.size());
}

std::size_t Command::options_end(const Arguments& arguments, const std::string& last) const {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string argument = complete(arguments[i]);
    if (argument == "--") return i + 1;
    if (argument.size() < 2 || argument[0] != '-') return i;
    if (is_long(argument)) {
      const auto* option = find_option(argument.substr(0, argument.find('=')));
      if (option && takes_value(*option) && argument.find('=') == argument.npos) ++i;
      continue;
    }
    for (std::size_t letter = 1; letter < argument.size(); ++letter) {
      const auto* option = find_option({'-', argument[letter]});
      if (!option || !takes_value(*option)) continue;
      if (letter + 1 == argument.size()) ++i;  // its value is the next argument, not the rest of this one
      if (last.find(argument[letter]) != last.npos) return std::min(i + 1, arguments.size());
      break;
    }
  }
  return arguments.size();
}

bool Command::read(const Arguments& arguments) {
  std::vector<std::string> reversed;
  bool options = true;
  for (const auto& argument : arguments) {
    if (argument == "--") options = false;
    reversed.push_back(options ? complete(argument) : argument);
  }
  std::reverse(reversed.begin(), reversed.end());
  try {
    parse(reversed);
    return true;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", help());
    return false;
  } catch (const CLI::ExtrasError&) {
    const auto extra = remaining().front();
    throw UsageError(extra.size() > 1 && extra[0] == '-' ? fmt::format("unknown option {}", extra)
                                                         : fmt::format("unexpected argument '{}'", extra),
                     usage_line_);
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what(), usage_line_);
  }
}

}  // namespace memray::cli
