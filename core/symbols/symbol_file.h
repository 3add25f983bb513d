// All that can be known about addresses of one file: its DWARF, wherever that is, and its symbol tables.
//
// elfutils' libdwfl finds the separate debug file (by build-id, by .gnu_debuglink, from the servers of
// DEBUGINFOD_URLS), unpacks what is compressed, and adds the symbols that distributions leave in stripped programs
// (.gnu_debugdata).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace memray::symbols {

struct Function {
  std::string name;  // readable
  std::string file;  // the module where there is no line
  std::uint32_t line = 0;
};

// Folders with debug files, separated by colons; relative ones and "" are relative to the module's.
inline constexpr char kDebugFolders[] = ":.debug:/usr/lib/debug";

class SymbolFile {
 public:
  // `descriptor` (-1: none) is of the file that had this path, and is closed. It is used if it has the build-id, which
  // is hexadecimal or empty; else a file that does is looked for where debug files are.
  SymbolFile(const std::string& path, const std::string& build_id, int descriptor,
             const std::string& debug_folders = kDebugFolders);
  ~SymbolFile();
  SymbolFile(const SymbolFile&) = delete;
  SymbolFile& operator=(const SymbolFile&) = delete;

  // The functions at a place of the file, innermost inlined one first; none if nothing is known.
  std::vector<Function> find(std::uint64_t file_offset);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray::symbols
