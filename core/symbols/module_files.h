// The files of modules, held open from the moment they were seen mapped.
//
// Symbols are looked up when the recording has ended. By then a file may be gone (an unpacked plugin, a program that
// cleans up after itself) or be another one (a rebuild); a descriptor still leads to the file that was mapped. Only a
// file that is deleted within the few milliseconds after it was mapped is missed.
#pragma once

#include <memray/definitions.h>

#include <cstddef>
#include <map>
#include <string>
#include <utility>

namespace memray::symbols {

class ModuleFiles {
 public:
  ModuleFiles();
  ~ModuleFiles();
  ModuleFiles(const ModuleFiles&) = delete;
  ModuleFiles& operator=(const ModuleFiles&) = delete;

  // Before it is known as a module: the program, which may delete itself at once.
  void expect(const std::string& path);
  void keep(const Definitions& definitions, ModuleId module);

  // A descriptor of the file, owned by the caller, or -1.
  int open(const Definitions& definitions, ModuleId module) const;

 private:
  std::size_t limit_;
  std::map<std::string, int> expected_;
  std::map<std::pair<StringId, StringId>, int> kept_;  // by path and build-id
};

}  // namespace memray::symbols
