#include "run_plugins.h"

#include "plugin/elf_file.h"
#include "plugin/loader.h"

#include <fmt/format.h>

#include <algorithm>

namespace memray::cli {
namespace {

class Finder {
 public:
  explicit Finder(const Installation& installation) : installation_(installation) {}

  std::filesystem::path find(PluginKind kind, const std::string& name) const {
    auto file = find_plugin(installation_.plugin_path, kind, name);
    if (const auto info = inspect_plugin(file); !info.rejected.empty())
      throw Failure(fmt::format("cannot use {}: {}", file.string(), info.rejected));
    return file;
  }

  bool has(PluginKind kind, const std::string& name) const {
    const auto names = plugin_names(installation_.plugin_path, kind);
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  std::vector<TargetPlugin> find_all(PluginKind kind, const std::vector<std::string>& names) const {
    std::vector<TargetPlugin> plugins;
    for (const auto& name : names) {
      const auto file = find(kind, name);
      plugins.push_back({name, file, kind == PluginKind::hooks && needs_preload(file), ""});
    }
    return plugins;
  }

 private:
  const Installation& installation_;
};

// Allocators with functions of their own, which a program that mentions them is taken to call.
struct Allocator {
  const char* backend;
  bool (*is_own)(std::string_view function);
};
constexpr Allocator kAllocators[] = {
    {"jemalloc",
     [](std::string_view name) {
       return name == "mallocx" || name == "dallocx" || name == "sdallocx" || name.starts_with("je_malloc");
     }},
    {"mimalloc", [](std::string_view name) { return name.starts_with("mi_malloc") || name.starts_with("mi_heap_"); }},
    {"tcmalloc", [](std::string_view name) { return name == "tc_malloc" || name == "tc_new" || name == "tc_free"; }},
};

// A program that brings its own malloc comes first in the order in which symbols are looked up: nothing that is
// preloaded gets between it and its callers.
bool exports_malloc(const std::filesystem::path& program) {
  int error = 0;
  const auto elf = ElfFile::open(program, error);
  return elf && elf->find_symbol("malloc").has_value();
}

std::vector<std::string> default_hooks(const Finder& finder, const Target& target) {
  const bool plt = finder.has(PluginKind::hooks, "plt");
  const bool preload = finder.has(PluginKind::hooks, "preload") && !(plt && exports_malloc(target.image));
  std::vector<std::string> hooks{plt && !preload ? "plt" : "preload"};
  int error = 0;
  const auto elf = ElfFile::open(target.image, error);
  for (const auto& [backend, is_own] : kAllocators) {
    if (elf && elf->mentions(is_own) && finder.has(PluginKind::hooks, backend)) hooks.push_back(backend);
  }
  return hooks;
}

std::string default_unwinder(const Finder& finder, const Target& target) {
  const bool replaceable = !target.python && finder.has(PluginKind::unwinder, "none");
  return replaceable && !finder.has(PluginKind::unwinder, "python") ? "none" : "python";
}

}  // namespace

RunPlugins choose_plugins(const Installation& installation, const RunOptions& options, const Target& target) {
  const Finder finder(installation);
  auto hooks = options.hooks.empty() ? default_hooks(finder, target) : options.hooks;
  if (options.trace_python_allocators && std::find(hooks.begin(), hooks.end(), "pymalloc") == hooks.end())
    hooks.push_back("pymalloc");
  auto unwinders = options.unwinders.empty() ? std::vector{default_unwinder(finder, target)} : options.unwinders;
  if (options.native && std::find(unwinders.begin(), unwinders.end(), "native") == unwinders.end()) {
    std::erase(unwinders, "none");  // the default where the python unwinder is not installed
    unwinders.push_back("native");
  }
  return {finder.find_all(PluginKind::hooks, hooks), finder.find_all(PluginKind::unwinder, unwinders),
          finder.find(PluginKind::sink, options.sink)};
}

}  // namespace memray::cli
