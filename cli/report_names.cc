// Reporters by the names that users type. A reporter transform-<format> is a format of `memray transform`, not a
// command of its own; what `memray transform` can do is what is installed.
#include "arguments.h"
#include "cli.h"
#include "plugin/loader.h"
#include "plugin/near_miss.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace memray::cli {
namespace {

constexpr std::string_view kFormatPrefix = "transform-";
constexpr auto kTransformUsage = "memray transform FORMAT [options] capture";

struct FormatPlugin {
  std::string name;
  std::string description;
};

std::vector<FormatPlugin> formats(const Installation& installation) {
  std::vector<FormatPlugin> found;
  for (const auto& plugin : list_plugins(installation.plugin_path, Check::descriptor))
    if (plugin.kind == PluginKind::reporter && plugin.rejected.empty() && !plugin.shadowed &&
        plugin.name.starts_with(kFormatPrefix))
      found.push_back({plugin.name.substr(kFormatPrefix.size()), plugin.description});
  return found;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

std::string help_text(const std::vector<FormatPlugin>& known) {
  std::string text = fmt::format(
      "Usage: {}\n\nWrites what a capture says in a format for another program.\n\nFormats:\n", kTransformUsage);
  for (const auto& format : known) text += fmt::format("  {:<14}{}\n", format.name, format.description);
  return text + "\nmemray transform FORMAT --help shows the options of a format.\n";
}

ReportName format_report(const std::string& format) {
  return {std::string(kFormatPrefix) + format, "transform " + format, format};
}

}  // namespace

std::vector<std::string> report_names(const Installation& installation) {
  std::vector<std::string> names = plugin_names(installation.plugin_path, PluginKind::reporter);
  std::erase_if(names, [](const std::string& name) { return name.starts_with(kFormatPrefix); });
  return names;
}

ReportName find_report(const Installation& installation, const std::string& name, const std::string& usage) {
  std::vector<std::string> known = report_names(installation);
  if (std::ranges::find(known, name) != known.end()) return {name, name, name};
  for (const auto& plugin : plugin_names(installation.plugin_path, PluginKind::reporter)) {
    if (!plugin.starts_with(kFormatPrefix)) continue;
    known.push_back(plugin.substr(kFormatPrefix.size()));
    if (known.back() == name) return format_report(name);
  }
  const std::string near = near_miss(name, known);
  throw UsageError(fmt::format("there is no report '{}'; {}", name,
                               near.empty() ? fmt::format("the reports are {}", fmt::join(known, ", "))
                                            : fmt::format("did you mean '{}'?", near)),
                   usage);
}

int transform_command(const Installation& installation, const Arguments& arguments) {
  const std::vector<FormatPlugin> known = formats(installation);
  const auto is_format = [&](const std::string& argument) {
    return std::ranges::any_of(known, [&](const FormatPlugin& format) { return format.name == lower(argument); });
  };
  auto format = std::ranges::find_if(arguments, is_format);
  if (format != arguments.end()) {
    Arguments rest(arguments.begin(), format);
    rest.insert(rest.end(), format + 1, arguments.end());
    return report_command(installation, format_report(lower(*format)), rest);
  }
  const auto is_help = [](const std::string& argument) { return argument == "-h" || argument == "--help"; };
  if (std::ranges::any_of(arguments, is_help)) return fmt::print("{}", help_text(known)), kSuccess;
  std::vector<std::string> names;
  for (const auto& plugin : known) names.push_back(plugin.name);
  const std::string list =
      names.empty() ? "no format is installed" : fmt::format("the formats are {}", fmt::join(names, ", "));
  format = std::ranges::find_if(arguments, [](const std::string& argument) { return !argument.starts_with('-'); });
  if (format == arguments.end()) throw UsageError("a format is missing; " + list, kTransformUsage);
  throw Failure(fmt::format("there is no format '{}'; {}", *format, list));
}

}  // namespace memray::cli
