// memray plugins: what is there, from where, and what is wrong with the rest.
#include "arguments.h"
#include "plugin/loader.h"

#include <fmt/format.h>
#include <memray/text.h>

#include <array>

namespace memray::cli {
namespace {

std::string state_of(const PluginInfo& plugin) {
  if (!plugin.rejected.empty()) return "rejected: " + plugin.rejected;
  return plugin.shadowed ? "hidden by one of the same name above" : "";
}

void print_json(const std::vector<PluginInfo>& plugins) {
  std::string text = "[";
  for (const auto& plugin : plugins) {
    text += fmt::format(
        "{}\n  {{\"kind\": {}, \"name\": {}, \"version\": {}, \"description\": {}, \"file\": {}, \"usable\": {}, "
        "\"rejected\": {}, \"shadowed\": {}}}",
        text.size() > 1 ? "," : "", json_string(name(plugin.kind)), json_string(plugin.name),
        json_string(plugin.version), json_string(plugin.description), json_string(plugin.file.string()),
        plugin.rejected.empty() && !plugin.shadowed, plugin.rejected.empty() ? "null" : json_string(plugin.rejected),
        plugin.shadowed);
  }
  fmt::print("{}\n]\n", text);
}

// One line a plugin; what keeps one from being used goes on a line of its own below it.
void print_table(const std::vector<PluginInfo>& plugins) {
  using Row = std::array<std::string, 5>;
  std::vector<Row> rows{{"KIND", "NAME", "VERSION", "DESCRIPTION", "FILE"}};
  std::vector<std::string> states{""};
  for (const auto& plugin : plugins) {
    rows.push_back({std::string(name(plugin.kind)), printable(plugin.name), printable(plugin.version),
                    printable(plugin.description), printable(plugin.file.string())});
    states.push_back(printable(state_of(plugin)));
  }
  std::array<std::size_t, 5> widths{};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], text_width(row[i]));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) fmt::print("{}", pad_right(rows[r][i], widths[i] + 2));
    fmt::print("{}\n", rows[r].back());
    if (!states[r].empty()) fmt::print("  {}\n", states[r]);
  }
}

}  // namespace

int plugins_command(const Installation& installation, const Arguments& arguments) {
  Command command(
      "Lists the plugins that memray finds: hook backends, unwinders, sinks and reporters.\n"
      "A plugin is a file memray-<kind>-<name>.so in a folder of $MEMRAY_PLUGIN_PATH, in\n"
      "~/.local/lib/memray/plugins, or beside this memray; the first of a kind and name is used.",
      "memray plugins [--json]");
  bool json = false;
  command.add_flag("--json", json, "Print JSON, for programs");
  if (!command.read(arguments)) return kSuccess;

  const auto plugins = list_plugins(installation.plugin_path);
  if (json) {
    print_json(plugins);
  } else if (plugins.empty()) {
    fmt::print(stderr, "No plugins found in {} or $MEMRAY_PLUGIN_PATH\n", (installation.libdir / "plugins").string());
  } else {
    print_table(plugins);
  }
  return kSuccess;
}

}  // namespace memray::cli
