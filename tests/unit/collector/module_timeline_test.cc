// Lists of modules as the recorder writes them, and what the collector makes of addresses.
#include "collector/module_timeline.h"

#include <catch2/catch.hpp>

#include <cstring>

using namespace memray;
using collector::ModuleSetting;
using collector::ModuleTimeline;

namespace {

struct Entry {
  std::uint64_t start, end, offset;
  std::string build_id, name;
};

std::vector<std::byte> list(std::uint64_t stamp, const std::vector<Entry>& entries) {
  std::vector<std::byte> bytes;
  const auto text = [&](std::string_view value) {
    for (const char c : value) bytes.push_back(static_cast<std::byte>(c));
  };
  const auto number = [&](std::uint64_t value) { text({reinterpret_cast<const char*>(&value), sizeof value}); };
  const auto texts = [&](std::string_view first, std::string_view second) {
    number(first.size() | std::uint64_t{second.size()} << 32);
    text(first);
    text(second);
  };
  number(stamp);
  texts("/bin/program", "/work");
  for (const Entry& entry : entries) {
    number(entry.start);
    number(entry.end);
    number(entry.offset);
    texts(entry.build_id, entry.name);
  }
  return bytes;
}

struct Timeline {
  ModuleTimeline::Place find(std::uint64_t address) { return modules.find(address); }
  std::string path(std::uint64_t address) {
    const ModuleId module = find(address).module;
    return module == kNoModule ? "" : std::string(definitions.string(definitions.module(module).path));
  }

  Definitions definitions;
  ModuleSetting setting;
  ModuleTimeline modules{definitions.add_process({}), definitions, setting};
};

}  // namespace

TEST_CASE("an address belongs to the segment that has it") {
  Timeline t;
  t.modules.add(list(10, {{0x5000, 0x6000, 0x1000, "\x12\xab", "/lib/b.so"}, {0x1000, 0x2000, 0, "", ""}}));
  REQUIRE(t.path(0x0fff).empty());
  REQUIRE(t.path(0x1000) == "/bin/program");
  REQUIRE(t.path(0x1fff) == "/bin/program");
  REQUIRE(t.path(0x2000).empty());
  REQUIRE(t.path(0x5fff) == "/lib/b.so");
  REQUIRE(t.path(0x6000).empty());
  const Module& module = t.definitions.module(t.find(0x5000).module);
  REQUIRE(t.definitions.string(module.build_id) == "12ab");
  REQUIRE(module.start == 0x5000);
  REQUIRE(module.file_offset == 0x1000);
}

TEST_CASE("addresses that go from one library to another are told apart by time") {
  Timeline t;
  t.modules.add(list(30, {{0x1000, 0x2000, 0, "", "/lib/b.so"}}));  // lists may come out of order
  t.modules.add(list(10, {{0x1000, 0x2000, 0, "", "/lib/a.so"}}));
  t.modules.add(list(20, {}));
  REQUIRE_FALSE(t.modules.advance(19));
  REQUIRE(t.path(0x1800) == "/lib/a.so");
  SECTION("between unloading and the next list, a library's constructors run") {
    REQUIRE(t.modules.advance(20));
    REQUIRE(t.path(0x1800) == "/lib/b.so");
  }
  REQUIRE(t.modules.advance(30));
  REQUIRE_FALSE(t.modules.advance(31));
  REQUIRE(t.path(0x1800) == "/lib/b.so");
}

TEST_CASE("a library that comes back to its place is the module it was") {
  Timeline t;
  int opened = 0;
  t.setting.first_mapped = [&](ModuleId) { ++opened; };
  const Entry entry{0x1000, 0x2000, 0, "id", "/lib/a.so"};
  t.modules.add(list(10, {entry}));
  const ModuleId first = t.find(0x1000).module;
  t.modules.add(list(20, {}));
  t.modules.add(list(30, {entry}));
  t.modules.advance(40);
  REQUIRE(t.find(0x1000).module == first);
  REQUIRE(opened == 1);
}

TEST_CASE("relative names are relative to the program's directory") {
  Timeline t;
  t.modules.add(list(1, {{0x1000, 0x2000, 0, "", "./x/../plugin.so"}, {0x3000, 0x4000, 0, "", "linux-vdso.so.1"}}));
  REQUIRE(t.path(0x1000) == "/work/plugin.so");
  REQUIRE(t.path(0x3000) == "linux-vdso.so.1");
}

TEST_CASE("memray's own files are no modules") {
  Timeline t;
  t.setting.own_files = {"/lib/memray/recorder.so"};
  t.modules.add(list(1, {{0x1000, 0x2000, 0, "", "/lib/memray/recorder.so"}}));
  REQUIRE(t.find(0x1000).own);
  REQUIRE(t.find(0x1000).module == kNoModule);
  REQUIRE(t.definitions.modules() == 0);
}

TEST_CASE("a list that is cut off is read as far as it goes") {
  const auto whole = list(1, {{0x1000, 0x2000, 0, "id", "/lib/a.so"}, {0x3000, 0x4000, 0, "id", "/lib/b.so"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Timeline t;
    t.modules.add(std::span(whole).first(size));
    REQUIRE(t.path(0x3000).empty());
  }
}
