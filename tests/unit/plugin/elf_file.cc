// Against what the dynamic loader makes of the same files.
#include "plugin/elf_file.h"

#include <catch2/catch.hpp>

#include <dlfcn.h>
#include <link.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

using memray::ElfFile;

namespace {

ElfFile must_open(const std::filesystem::path& file) {
  int error = 0;
  auto elf = ElfFile::open(file, error);
  REQUIRE(elf);
  return *elf;
}

// A copy of `file` with `change` done to its bytes.
std::filesystem::path altered(const std::filesystem::path& file,
                              const std::function<void(std::vector<char>&)>& change) {
  std::ifstream in(file, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(in)), {});
  change(bytes);
  const auto copy = std::filesystem::temp_directory_path() / ("memray-elf-" + std::to_string(getpid()));
  std::ofstream(copy, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return copy;
}

}  // namespace

TEST_CASE("symbols lie where the loader puts them") {
  void* handle = dlopen("libz.so.1", RTLD_NOW);
  if (!handle) handle = dlopen("libm.so.6", RTLD_NOW);
  REQUIRE(handle);
  link_map* map = nullptr;
  REQUIRE(dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0);
  const auto elf = must_open(map->l_name);
  CHECK(elf.format() == ElfFile::Format::native);
  CHECK(elf.interpreter().empty());
  for (const char* name : {"crc32", "inflate", "cos"}) {
    const void* loaded = dlsym(handle, name);
    if (!loaded || !elf.find_symbol(name)) continue;
    CAPTURE(name);
    CHECK(map->l_addr + *elf.find_symbol(name) == reinterpret_cast<std::uintptr_t>(loaded));
  }
  CHECK_FALSE(elf.find_symbol("malloc"));  // used, but not defined there
  CHECK_FALSE(elf.find_symbol("inflat"));
  dlclose(handle);
}

TEST_CASE("pointers and texts are read as the loader would fill them in") {
  const auto elf = must_open(PROBE_PLUGIN);
  void* handle = dlopen(PROBE_PLUGIN, RTLD_NOW);
  REQUIRE(handle);
  link_map* map = nullptr;
  REQUIRE(dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0);
  const auto address = elf.find_symbol("memray_plugin");
  REQUIRE(address);
  const auto* loaded = static_cast<const std::uint64_t*>(dlsym(handle, "memray_plugin"));
  for (std::size_t word = 2; word < 6; ++word)  // name, description, version, interface
    CHECK(map->l_addr + elf.pointer_at(*address + 8 * word) == loaded[word]);
  CHECK(elf.string_at(elf.pointer_at(*address + 16)) == std::string("probe"));
  dlclose(handle);
}

TEST_CASE("programs name their loader, libraries and static programs do not") {
  CHECK(must_open("/proc/self/exe").interpreter().find("ld-linux") != std::string::npos);
  CHECK(must_open(PROBE_PLUGIN).interpreter().empty());
}

TEST_CASE("files of other kinds are recognised") {
  int error = 0;
  CHECK_FALSE(ElfFile::open("/nonexistent/file", error));
  CHECK(error == ENOENT);
  CHECK(must_open("/etc/passwd").format() == ElfFile::Format::not_elf);
  CHECK(must_open("/dev/null").format() == ElfFile::Format::not_elf);

  const auto foreign = altered(PROBE_PLUGIN, [](auto& bytes) { bytes[18] = static_cast<char>(243); });
  CHECK(must_open(foreign).format() == ElfFile::Format::foreign);
  CHECK(must_open(foreign).foreign_kind() == "RISC-V");
  const auto narrow = altered(PROBE_PLUGIN, [](auto& bytes) { bytes[4] = 1, bytes[18] = 3; });
  CHECK(must_open(narrow).foreign_kind() == "32-bit x86");
  std::filesystem::remove(narrow);
}

TEST_CASE("no torn or scrambled file is read beyond its end") {
  std::filesystem::path copy;
  const auto probe = [&](const std::function<void(std::vector<char>&)>& change) {
    copy = altered(PROBE_PLUGIN, change);
    int error = 0;
    if (const auto elf = ElfFile::open(copy, error)) {
      elf->interpreter();
      elf->find_symbol("malloc");
      if (const auto address = elf->find_symbol("memray_plugin")) elf->string_at(elf->pointer_at(*address + 16));
      for (const std::uint64_t address : {0ull, 1ull << 40, ~0ull}) elf->string_at(elf->pointer_at(address));
    }
  };
  const auto size = std::filesystem::file_size(PROBE_PLUGIN);
  for (std::size_t length = 0; length < size; length += length < 200 ? 1 : 997)
    probe([&](auto& bytes) { bytes.resize(length); });
  for (std::size_t place = 16; place < 64; ++place)
    for (const char value : {'\0', '\x7f', '\xff'}) probe([&](auto& bytes) { bytes[place] = value; });
  for (std::size_t place = size - 2000; place < size; place += 3) probe([&](auto& bytes) { bytes[place] = '\xff'; });
  std::filesystem::remove(copy);
}
