#include "plugin/loader.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdlib>
#include <fstream>

using namespace memray;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("memray-plugins-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  fs::path make(const std::string& name, const std::string& content = "garbage") const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << content;
    return path_ / name;
  }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("the search path is MEMRAY_PLUGIN_PATH, the user's folder, then the installation") {
  const Folder folder;
  for (const char* name : {"a/x", "b/x", "home/.local/lib/memray/plugins/x", "lib/plugins/x"}) folder.make(name);
  const auto path = [&](const char* name) { return (folder.path() / name).string(); };
  setenv("MEMRAY_PLUGIN_PATH", (path("b") + "::" + path("missing") + ":" + path("a") + ":" + path("b")).c_str(), 1);
  setenv("HOME", path("home").c_str(), 1);
  CHECK(plugin_search_path(path("lib")) ==
        std::vector<fs::path>{path("b"), path("a"), path("home/.local/lib/memray/plugins"), path("lib/plugins")});
  unsetenv("MEMRAY_PLUGIN_PATH");
  CHECK(plugin_search_path(path("nowhere")) == std::vector<fs::path>{path("home/.local/lib/memray/plugins")});
}

TEST_CASE("a descriptor is read without loading the plugin") {
  unsetenv("MEMRAY_PROBE_LOADED");
  const auto info = inspect_plugin(PROBE_PLUGIN);
  CHECK(info.rejected.empty());
  CHECK(info.kind == PluginKind::reporter);
  CHECK(info.name == "probe");
  CHECK(info.description == "Tells that it was loaded");
  CHECK(info.version == "3.2.1");
  CHECK(std::getenv("MEMRAY_PROBE_LOADED") == nullptr);

  const LoadedPlugin plugin(PROBE_PLUGIN, PluginKind::reporter);
  CHECK(std::getenv("MEMRAY_PROBE_LOADED") != nullptr);
  CHECK(plugin.descriptor().name == std::string("probe"));
}

TEST_CASE("a plugin is only loaded as what it is") {
  CHECK_THROWS_AS(LoadedPlugin(PROBE_PLUGIN, PluginKind::sink), PluginError);
  CHECK_THROWS_AS(load_sink(PROBE_PLUGIN), PluginError);
  CHECK_THROWS_AS(LoadedPlugin("/nonexistent/memray-sink-x.so", PluginKind::sink), PluginError);
}

TEST_CASE("a plugin is found by its file name, in the first folder that has it") {
  const Folder folder;
  folder.make("a/memray-sink-one.so");
  const auto first = folder.make("a/memray-sink-both.so");
  folder.make("b/memray-sink-both.so");
  const auto second = folder.make("b/memray-sink-two.so");
  folder.make("b/memray-reporter-three.so");
  folder.make("b/libmemray-core.so");
  folder.make("b/memray-sink-.so");
  const std::vector<fs::path> path{folder.path() / "a", folder.path() / "b"};
  CHECK(find_plugin(path, PluginKind::sink, "both") == first);
  CHECK(find_plugin(path, PluginKind::sink, "two") == second);
  CHECK(plugin_names(path, PluginKind::sink) == std::vector<std::string>{"both", "one", "two"});
  CHECK(plugin_names(path, PluginKind::hooks).empty());

  using Catch::Contains;
  CHECK_THROWS_WITH(find_plugin(path, PluginKind::sink, "tow"),
                    Contains("'tow'") && Contains("'two'") && Contains("did you mean"));
  CHECK_THROWS_WITH(find_plugin(path, PluginKind::sink, "socket"),
                    Contains("memray-sink-socket.so") && Contains((folder.path() / "b").string()));
  CHECK_THROWS_AS(find_plugin({}, PluginKind::sink, "x"), PluginError);
}

TEST_CASE("listing is sorted and marks what is hidden") {
  const Folder folder;
  for (const char* name : {"b/memray-sink-b.so", "b/memray-sink-a.so", "b/memray-hooks-z.so", "a/memray-sink-b.so"})
    folder.make(name);
  const auto found = list_plugins({folder.path() / "a", folder.path() / "b"});
  REQUIRE(found.size() == 4);
  CHECK(found[0].name == "z");
  CHECK(found[1].name == "a");
  CHECK(found[2].file == folder.path() / "a/memray-sink-b.so");
  CHECK_FALSE(found[2].shadowed);
  CHECK(found[3].shadowed);
  for (const auto& plugin : found) CHECK_FALSE(plugin.rejected.empty());
}

TEST_CASE("hook backends say in their descriptor whether they must be preloaded") {
  const fs::path folder = PLUGIN_FOLDER;
  if (fs::exists(folder / "memray-hooks-preload.so")) CHECK(needs_preload(folder / "memray-hooks-preload.so"));
  if (fs::exists(folder / "memray-hooks-plt.so")) CHECK_FALSE(needs_preload(folder / "memray-hooks-plt.so"));
  CHECK_FALSE(needs_preload("/etc/passwd"));
}
