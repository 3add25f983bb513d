// The table against libdwfl's own search, at addresses all over the code of files that every machine has.
#include "symbols/symbol_table.h"

#include <dlfcn.h>
#include <catch2/catch.hpp>

#include <cstdio>
#include <memory>
#include <random>
#include <string>

namespace {

using memray::symbols::SymbolTable;

// One file, at its own addresses.
class File {
 public:
  explicit File(const std::string& path) {
    callbacks_.find_elf = dwfl_build_id_find_elf;
    callbacks_.find_debuginfo = dwfl_standard_find_debuginfo;
    callbacks_.section_address = dwfl_offline_section_address;
    session_ = dwfl_begin(&callbacks_);
    module_ = dwfl_report_elf(session_, path.c_str(), path.c_str(), -1, 0, true);
    dwfl_report_end(session_, nullptr, nullptr);
  }
  ~File() { dwfl_end(session_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  Dwfl_Module* module() const { return module_; }

  std::string by_libdwfl(GElf_Addr address) const {
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char* name = dwfl_module_addrinfo(module_, address, &offset, &symbol, nullptr, nullptr, nullptr);
    return name && (symbol.st_size == 0 || offset < symbol.st_size) ? name : "";
  }

  // Where a symbol of code begins; 0 for others.
  GElf_Addr start(int number) const {
    GElf_Sym symbol;
    GElf_Addr address = 0;
    dwfl_module_getsym_info(module_, number, &symbol, &address, nullptr, nullptr, nullptr);
    return GELF_ST_TYPE(symbol.st_info) == STT_FUNC ? address : 0;
  }

 private:
  Dwfl_Callbacks callbacks_{};
  Dwfl* session_ = nullptr;
  Dwfl_Module* module_ = nullptr;
};

std::string path_of(const char* function) {
  Dl_info info{};
  return dladdr(dlsym(RTLD_DEFAULT, function), &info) ? info.dli_fname : "";
}

// Far more symbols than others have; libdwfl takes a millisecond for an address there. "cc1plus" if there is no g++.
std::string compiler() {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen("g++ -print-prog-name=cc1plus 2>/dev/null", "r"), &pclose);
  std::string path;
  for (int c; pipe && (c = std::fgetc(pipe.get())) != EOF && c != '\n';) path += static_cast<char>(c);
  return path;
}

}  // namespace

TEST_CASE("Symbols are those that libdwfl finds") {
  const auto path = GENERATE(path_of("malloc"), path_of("_ZSt9terminatev"), std::string("/proc/self/exe"),
                             std::string("/usr/bin/bash"), path_of("dwfl_begin"), path_of("elf_begin"), compiler());
  CAPTURE(path);
  const File file(path);
  if (!file.module()) return;
  SymbolTable table(file.module());
  constexpr int kMany = 20'000;
  std::minstd_rand random;
  const int count = dwfl_module_getsymtab(file.module());
  REQUIRE(count > 100);
  int named = 0;
  for (int i = 1; i < count; i += 1 + count / (count > kMany ? 300 : 2000)) {
    const GElf_Addr start = file.start(i);
    if (start == 0) continue;
    for (const GElf_Addr address : {start, start + random() % 64, start + random() % 4096}) {
      CAPTURE(i, address);
      const char* found = table.find(address);
      const std::string expected = file.by_libdwfl(address);
      named += expected.empty() ? 0 : 1;
      CHECK((found ? found : "") == expected);
    }
  }
  CHECK(named > 100);
}
