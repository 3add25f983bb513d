#include "plugin/loader.h"

#include "plugin/elf_file.h"
#include "plugin/near_miss.h"

#include <memray/hooks.h>

#define BOOST_DLL_USE_STD_FS
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <unistd.h>
#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <set>
#include <tuple>

namespace memray {
namespace fs = std::filesystem;
namespace {

constexpr std::array kKinds{PluginKind::hooks, PluginKind::unwinder, PluginKind::sink, PluginKind::reporter};
constexpr std::string_view kPrefix = "memray-";
constexpr std::string_view kSuffix = ".so";

fs::path home() {
  if (const char* set = std::getenv("HOME"); set && *set) return set;
  const passwd* user = getpwuid(getuid());
  return user && user->pw_dir ? user->pw_dir : "";
}

bool has_plugin_name(const fs::path& file) {
  const std::string name = file.filename();
  return name.starts_with(kPrefix) && name.ends_with(kSuffix) && name.size() > kPrefix.size() + kSuffix.size();
}

// Kind and name as the file name has them. The kind is 0 if it is none of ours.
PluginInfo from_file_name(const fs::path& file) {
  PluginInfo info;
  info.file = file;
  std::string rest = file.filename().string().substr(kPrefix.size());
  rest.resize(rest.size() - kSuffix.size());
  info.name = rest;
  for (const PluginKind kind : kKinds) {
    const std::string start = std::string(name(kind)) + "-";
    if (!rest.starts_with(start) || rest.size() == start.size()) continue;
    info.kind = kind;
    info.name = rest.substr(start.size());
  }
  return info;
}

std::string file_name_of(PluginKind kind, std::string_view plugin) {
  return fmt::format("{}{}-{}{}", kPrefix, name(kind), plugin, kSuffix);
}

bool runs_in_target(PluginKind kind) { return kind == PluginKind::hooks || kind == PluginKind::unwinder; }

std::string elf_complaint(const ElfFile& elf) {
  switch (elf.format()) {
    case ElfFile::Format::not_elf:
      return "not a shared object";
    case ElfFile::Format::foreign:
      return fmt::format("built for another machine ({})", elf.foreign_kind());
    case ElfFile::Format::native:
      break;
  }
  return {};
}

struct LibraryOrError {
  std::shared_ptr<boost::dll::shared_library> library;
  std::string error;
};

// Everything is bound at once, so that a missing symbol shows here and not in the middle of a report.
LibraryOrError open_library(const fs::path& file) {
  using boost::dll::load_mode::rtld_local;
  using boost::dll::load_mode::rtld_now;
  auto library = std::make_shared<boost::dll::shared_library>();
  std::error_code error;
  library->load(fs::absolute(file), error, rtld_now | rtld_local);
  if (!error) return {std::move(library), {}};
  const char* reason = dlerror();
  std::string text = reason ? reason : error.message();
  if (const std::string start = fs::absolute(file).string() + ": "; text.starts_with(start))
    text.erase(0, start.size());
  return {nullptr, std::move(text)};
}

// Fills in what the descriptor in the file says. Returns why the plugin cannot be used, or "".
std::string read_descriptor(const ElfFile& elf, PluginInfo& info) {
  const auto address = elf.find_symbol("memray_plugin");
  if (!address) return "does not export the symbol memray_plugin";
  memray_plugin_descriptor raw{};
  const auto bytes = elf.bytes_at(*address);
  if (bytes.size() < offsetof(memray_plugin_descriptor, name)) return "its memray_plugin is no plugin descriptor";
  std::memcpy(&raw, bytes.data(), offsetof(memray_plugin_descriptor, name));
  if (raw.magic != MEMRAY_PLUGIN_MAGIC) return "its memray_plugin is no plugin descriptor";
  if (raw.abi_version != MEMRAY_ABI_VERSION) {
    return fmt::format("built for plugin ABI version {}, this memray has version {}", raw.abi_version,
                       MEMRAY_ABI_VERSION);
  }
  const auto text = [&](std::size_t field) {
    return elf.string_at(elf.pointer_at(*address + field)).value_or(std::string());
  };
  const std::string called = text(offsetof(memray_plugin_descriptor, name));
  info.description = text(offsetof(memray_plugin_descriptor, description));
  info.version = text(offsetof(memray_plugin_descriptor, version));
  const auto kind = static_cast<PluginKind>(raw.kind);
  if (name(kind) == "unknown") return fmt::format("is of a kind that this memray does not know ({})", raw.kind);
  if (kind != info.kind || called != info.name) {
    return fmt::format("calls itself {} '{}', so the file has to be named {}", name(kind), called,
                       file_name_of(kind, called));
  }
  if (elf.pointer_at(*address + offsetof(memray_plugin_descriptor, interface)) == 0) return "has no interface";
  return {};
}

std::string reason_to_reject(PluginInfo& info, Check check) {
  int error = 0;
  const auto elf = ElfFile::open(info.file, error);
  if (!elf) return fmt::format("cannot be read: {}", std::strerror(error));
  if (auto complaint = elf_complaint(*elf); !complaint.empty()) return complaint;
  if (auto complaint = read_descriptor(*elf, info); !complaint.empty()) return complaint;
  if (check == Check::load && !runs_in_target(info.kind)) return open_library(info.file).error;
  return {};
}

}  // namespace

std::string_view name(PluginKind kind) {
  switch (kind) {
    case PluginKind::hooks:
      return "hooks";
    case PluginKind::unwinder:
      return "unwinder";
    case PluginKind::sink:
      return "sink";
    case PluginKind::reporter:
      return "reporter";
  }
  return "unknown";
}

std::vector<fs::path> plugin_search_path(const fs::path& libdir) {
  std::vector<fs::path> wanted;
  if (const char* variable = std::getenv("MEMRAY_PLUGIN_PATH")) {
    std::string_view rest = variable;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(':'), rest.size());
      if (end > 0) wanted.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  if (const fs::path folder = home(); !folder.empty()) wanted.push_back(folder / ".local/lib/memray/plugins");
  wanted.push_back(libdir / "plugins");

  std::vector<fs::path> found;
  std::set<fs::path> seen;
  for (const auto& folder : wanted) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (!error && fs::is_directory(real, error) && seen.insert(real).second) found.push_back(folder);
  }
  return found;
}

static std::vector<fs::path> plugin_files(const std::vector<fs::path>& search_path) {
  std::vector<fs::path> files;
  for (const auto& folder : search_path) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
      if (has_plugin_name(entry->path())) files.push_back(entry->path());
  }
  return files;
}

PluginInfo inspect_plugin(const fs::path& file, Check check) {
  if (!has_plugin_name(file)) {
    PluginInfo info;
    info.file = file;
    info.rejected = "file is not named memray-<kind>-<name>.so";
    return info;
  }
  PluginInfo info = from_file_name(file);
  if (name(info.kind) == "unknown")
    info.rejected = "file is not named memray-<kind>-<name>.so with a kind of hooks, unwinder, sink or reporter";
  else
    info.rejected = reason_to_reject(info, check);
  return info;
}

std::vector<PluginInfo> list_plugins(const std::vector<fs::path>& search_path, Check check) {
  std::vector<PluginInfo> plugins;
  for (const auto& file : plugin_files(search_path)) plugins.push_back(inspect_plugin(file, check));
  std::stable_sort(plugins.begin(), plugins.end(), [](const PluginInfo& a, const PluginInfo& b) {
    return std::tie(a.kind, a.name) < std::tie(b.kind, b.name);
  });
  for (std::size_t i = 1; i < plugins.size(); ++i)
    plugins[i].shadowed = plugins[i].kind == plugins[i - 1].kind && plugins[i].name == plugins[i - 1].name;
  return plugins;
}

std::vector<std::string> plugin_names(const std::vector<fs::path>& search_path, PluginKind kind) {
  std::set<std::string> names;
  for (const auto& file : plugin_files(search_path))
    if (auto info = from_file_name(file); info.kind == kind) names.insert(info.name);
  return {names.begin(), names.end()};
}

fs::path find_plugin(const std::vector<fs::path>& search_path, PluginKind kind, std::string_view plugin) {
  const std::string file_name = file_name_of(kind, plugin);
  for (const auto& folder : search_path) {
    std::error_code error;
    if (fs::is_regular_file(folder / file_name, error)) return folder / file_name;
  }
  const auto names = plugin_names(search_path, kind);
  std::string message = fmt::format("there is no {} plugin '{}'", name(kind), plugin);
  if (const std::string near = near_miss(plugin, names); !near.empty())
    message += fmt::format("; did you mean '{}'?", near);
  else if (!names.empty())
    message += fmt::format("; there is {}", fmt::join(names, ", "));
  std::vector<std::string> folders;
  for (const auto& folder : search_path) folders.push_back(folder.string());
  message += folders.empty() ? " (no plugin folder exists)"
                             : fmt::format(" (looked for {} in {})", file_name, fmt::join(folders, ", "));
  throw PluginError(message);
}

bool needs_preload(const fs::path& hooks) {
  int error = 0;
  const auto elf = ElfFile::open(hooks, error);
  const auto descriptor = elf ? elf->find_symbol("memray_plugin") : std::nullopt;
  if (!descriptor) return false;
  const auto interface = elf->pointer_at(*descriptor + offsetof(memray_plugin_descriptor, interface));
  const auto bytes = elf->bytes_at(interface + offsetof(memray_hooks, needs_preload));
  std::uint32_t value = 0;
  if (bytes.size() >= sizeof(value)) std::memcpy(&value, bytes.data(), sizeof(value));
  return value != 0;
}

LoadedPlugin::LoadedPlugin(const fs::path& file, PluginKind kind) {
  const PluginInfo info = inspect_plugin(file);
  std::string reason = info.rejected;
  if (reason.empty() && info.kind != kind)
    reason = fmt::format("is a plugin of kind {}, not {}", name(info.kind), name(kind));
  if (reason.empty()) {
    auto [library, error] = open_library(file);
    if (library) {
      descriptor_ = &library->get<const memray_plugin_descriptor>("memray_plugin");
      library_ = std::move(library);
      return;
    }
    reason = error;
  }
  throw PluginError(fmt::format("cannot use {}: {}", file.string(), reason));
}

std::shared_ptr<Sink> load_sink(const fs::path& file) {
  LoadedPlugin plugin(file, PluginKind::sink);
  const auto* factory = static_cast<const memray_sink_factory*>(plugin.descriptor().interface);
  Sink* sink = factory->create();
  if (!sink) throw PluginError(fmt::format("cannot use {}: it could not make a sink", file.string()));
  return {sink, [plugin, factory](Sink* s) { factory->destroy(s); }};
}

}  // namespace memray
