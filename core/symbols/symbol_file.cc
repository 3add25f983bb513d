#include "symbols/symbol_file.h"

#include "symbols/debug_info.h"
#include "symbols/demangle.h"
#include "symbols/symbol_table.h"

#include <elfutils/libdwfl.h>
#include <gelf.h>
#include <unistd.h>

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <span>
#include <string_view>

namespace memray::symbols {

namespace {

std::string hexadecimal(std::span<const unsigned char> bytes) {
  std::string result;
  for (const unsigned char byte : bytes) fmt::format_to(std::back_inserter(result), "{:02x}", byte);
  return result;
}

std::vector<unsigned char> from_hexadecimal(const std::string& text) {
  std::vector<unsigned char> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<unsigned char>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string build_id_of(Dwfl_Module* module) {
  const unsigned char* bytes = nullptr;
  GElf_Addr address = 0;
  const int size = dwfl_module_build_id(module, &bytes, &address);
  return size > 0 ? hexadecimal({bytes, static_cast<std::size_t>(size)}) : std::string();
}

// "memcpy" of "memcpy@@GLIBC_2.14".
std::string_view without_version(std::string_view symbol) { return symbol.substr(0, symbol.find('@')); }

}  // namespace

struct SymbolFile::State {
  std::string path;
  std::string debug_folders;
  char* debug_folders_pointer = nullptr;
  Dwfl_Callbacks callbacks{};
  Dwfl* session = nullptr;
  Dwfl_Module* module = nullptr;
  Elf* elf = nullptr;
  GElf_Addr elf_bias = 0;
  std::optional<DebugInfo> debug_info;
  Dwarf_Addr debug_bias = 0;
  std::optional<SymbolTable> symbols;  // read when first needed

  ~State() {
    debug_info.reset();
    if (session) dwfl_end(session);
  }

  void begin() {
    if (session) dwfl_end(session);
    session = dwfl_begin(&callbacks);
    module = nullptr;
    elf = nullptr;
  }

  bool report(int descriptor, const std::string& build_id) {
    begin();
    module = session ? dwfl_report_elf(session, path.c_str(), path.c_str(), descriptor, 0, true) : nullptr;
    if (!module) {
      close(descriptor);
      return false;
    }
    dwfl_report_end(session, nullptr, nullptr);
    return build_id.empty() || build_id_of(module) == build_id;
  }

  void search(const std::string& build_id) {
    begin();
    if (!session || build_id.empty()) return;
    const auto bytes = from_hexadecimal(build_id);
    constexpr GElf_Addr kEnd = GElf_Addr{1} << 47;
    module = dwfl_report_module(session, path.c_str(), 0, kEnd);
    if (module) dwfl_module_report_build_id(module, bytes.data(), bytes.size(), 0);
    dwfl_report_end(session, nullptr, nullptr);
  }

  // Where the file's code at `offset` is, among the addresses of the session.
  std::optional<GElf_Addr> address_of(std::uint64_t offset) const {
    std::size_t count = 0;
    if (!elf || elf_getphdrnum(elf, &count) != 0) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
      GElf_Phdr segment;
      if (!gelf_getphdr(elf, static_cast<int>(i), &segment)) continue;
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
      if (offset - segment.p_offset >= segment.p_filesz) continue;
      return segment.p_vaddr + (offset - segment.p_offset) + elf_bias;
    }
    return std::nullopt;
  }

  // As it stands in the symbol table.
  std::string_view symbol_at(GElf_Addr address) {
    if (!symbols) symbols.emplace(module);
    const char* name = symbols->find(address);
    return name ? without_version(name) : std::string_view();
  }
};

SymbolFile::SymbolFile(const std::string& path, const std::string& build_id, int descriptor,
                       const std::string& debug_folders)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.path = path;
  s.debug_folders = debug_folders;
  s.debug_folders_pointer = s.debug_folders.data();
  s.callbacks.find_elf = dwfl_build_id_find_elf;
  s.callbacks.find_debuginfo = dwfl_standard_find_debuginfo;
  s.callbacks.section_address = dwfl_offline_section_address;
  s.callbacks.debuginfo_path = &s.debug_folders_pointer;
  if (descriptor < 0 || !s.report(descriptor, build_id)) s.search(build_id);
  if (!s.module) return;
  s.elf = dwfl_module_getelf(s.module, &s.elf_bias);
  if (Dwarf* dwarf = dwfl_module_getdwarf(s.module, &s.debug_bias)) s.debug_info.emplace(dwarf);
}

SymbolFile::~SymbolFile() = default;

std::vector<Function> SymbolFile::find(std::uint64_t file_offset) {
  State& s = *state_;
  const auto address = s.address_of(file_offset);
  if (!address) return {};
  std::vector<SourcePosition> positions;
  if (s.debug_info) positions = s.debug_info->find(*address - s.debug_bias);
  // The symbol is what is known where there is no DWARF. Where DWARF has only the bare name of a C++ function (one that
  // is local to its file), the symbol adds namespace and parameters.
  if (positions.empty()) positions.emplace_back();
  std::string& outermost = positions.back().function;
  if (!is_mangled(outermost)) {
    const std::string_view symbol = s.symbol_at(*address);
    if (outermost.empty() || (is_mangled(symbol) && demangle(symbol).find(outermost) != std::string::npos)) {
      outermost = symbol;
    }
  }
  if (outermost.empty() && positions.back().line == 0) return {};

  std::vector<Function> functions;
  for (SourcePosition& position : positions) {
    functions.push_back({demangle(position.function), position.file.empty() ? s.path : position.file, position.line});
  }
  return functions;
}

}  // namespace memray::symbols
