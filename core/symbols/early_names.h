// Names for native frames while a recording goes on, for those who watch it.
//
// They could be looked up where they are shown. But who watches may be on another machine, or outside of the container
// whose files are meant, and would have to be able to in every kind of view; here the files are open already, and a
// name is found once for all who watch, and for the capture that is kept. Reading a file's debug information takes a
// good part of a second, so it is done by a thread of its own, which is in nobody's way: it gets copies of what it
// needs, and the time that nobody else wants.
#pragma once

#include "symbols/module_files.h"
#include "symbols/symbol_file.h"

#include <memray/definitions.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace memray::symbols {

// All functions are called by the thread that the definitions belong to.
class EarlyNames {
 public:
  EarlyNames() = default;
  ~EarlyNames();  // waits for the place that is being looked up
  EarlyNames(const EarlyNames&) = delete;
  EarlyNames& operator=(const EarlyNames&) = delete;

  // Hands over the frames that are new, and sets the locations of those that were found meanwhile.
  void step(Definitions& definitions, const ModuleFiles& files);
  // No more is looked up. What was not found until now is still without a location.
  void stop(Definitions& definitions);

 private:
  using FileKey = std::pair<StringId, StringId>;  // path and build-id

  struct Batch {
    FileKey file;
    std::string path, build_id;
    int descriptor = -1;  // of a file that comes for the first time
    std::vector<std::pair<FrameId, std::uint64_t>> places;
  };
  struct Answer {
    FrameId frame{};
    std::vector<Function> functions;
  };

  void ask(const Definitions& definitions, const ModuleFiles& files);
  void take_answers(Definitions& definitions);
  void work();
  std::optional<Batch> next_batch();
  bool look_up(const Batch& batch);

  std::uint32_t asked_ = 0;  // frames
  std::set<FileKey> known_;  // files
  std::jthread thread_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<Batch> waiting_;
  std::vector<Answer> answers_;

  std::map<FileKey, std::unique_ptr<SymbolFile>> files_;  // the thread's
};

}  // namespace memray::symbols
