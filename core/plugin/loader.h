// Finding and loading plugins in memray's own processes. Descriptors are checked before anything of a plugin is run.
#pragma once

#include <memray/plugin.h>
#include <memray/reporter.h>
#include <memray/sink.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace memray {

enum class PluginKind { hooks = MEMRAY_PLUGIN_HOOKS, unwinder, sink, reporter };
std::string_view name(PluginKind kind);  // "hooks", "unwinder", "sink", "reporter"

struct PluginInfo {
  PluginKind kind{};
  std::string name;
  std::string description;
  std::string version;
  std::filesystem::path file;
  std::string rejected;   // why it cannot be used; empty if it can
  bool shadowed = false;  // a plugin of the same kind and name comes earlier in the search path
};

// Folders searched, in order; those that do not exist are left out. `libdir` is <libdir>/memray.
std::vector<std::filesystem::path> plugin_search_path(const std::filesystem::path& libdir);

// How thoroughly plugins are looked at. Nothing of a plugin runs when only its descriptor is read; loading finds
// missing libraries and symbols too. Plugins of the target are never loaded into memray's own processes.
enum class Check { descriptor, load };

// Everything found, sorted by kind, then name, then search order.
std::vector<PluginInfo> list_plugins(const std::vector<std::filesystem::path>& search_path, Check check = Check::load);

// The names of one kind, sorted, from file names alone.
std::vector<std::string> plugin_names(const std::vector<std::filesystem::path>& search_path, PluginKind kind);

// What one file says about itself, or why it is rejected.
PluginInfo inspect_plugin(const std::filesystem::path& file, Check check = Check::descriptor);

// memray_hooks::needs_preload of a hook backend that has passed inspection.
bool needs_preload(const std::filesystem::path& hooks);

// The file of one plugin, without opening any other. Throws PluginError, which names the folders searched and what is
// there, and a near miss ("did you mean 'file'?").
std::filesystem::path find_plugin(const std::vector<std::filesystem::path>& search_path, PluginKind kind,
                                  std::string_view name);

class PluginError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A loaded plugin stays loaded as long as a copy of this lives.
class LoadedPlugin {
 public:
  // Throws PluginError if the file is not a plugin of that kind that this memray can use.
  LoadedPlugin(const std::filesystem::path& file, PluginKind kind);
  const memray_plugin_descriptor& descriptor() const { return *descriptor_; }

 private:
  std::shared_ptr<void> library_;
  const memray_plugin_descriptor* descriptor_ = nullptr;
};

std::shared_ptr<Sink> load_sink(const std::filesystem::path& file);

}  // namespace memray
