// What was found out about places of a file, kept for the next recording.
//
// Debug information of distributions is compressed: to name three functions of libc, 30 MB have to be unpacked, which
// takes longer than all else that ending a short recording does. But it is always the same places that are asked for.
// They are kept by build-id, so what is kept is never about another build, in a file for each below
// $XDG_CACHE_HOME/memray/symbols or ~/.cache/memray/symbols; $MEMRAY_SYMBOL_CACHE names another folder, or is "off".
//
// Where only a name was found, debug information may still be installed. So names without lines are kept for system
// files alone, and believed as long as there is no debug file for them and no server to ask.
#pragma once

#include "symbols/symbol_file.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace memray::symbols {

class SymbolCache {
 public:
  // Of the file with this path; a file without a build-id has none.
  SymbolCache(const std::string& path, const std::string& build_id);

  // Null if that place is not kept.
  const std::vector<Function>* find(std::uint64_t offset) const;
  void add(std::uint64_t offset, const std::vector<Function>& functions);
  // Does without if it cannot be written.
  void save() const;

 private:
  void load();
  bool read_line(const std::string& line);
  bool keeps_names() const;

  std::string path_;
  std::string build_id_;
  std::filesystem::path file_;  // empty: nothing is kept
  bool keeps_names_ = false;
  bool changed_ = false;
  std::map<std::uint64_t, std::vector<Function>> places_;
};

}  // namespace memray::symbols
