// The collector's end of the shared memory: making it, and telling a program about it.
#pragma once

#include "collector/record.h"
#include "session/layout.h"

#include <string>
#include <string_view>
#include <vector>

namespace memray::collector {

class Session {
 public:
  // In `memory`, a new memfd of another's, or in one of its own. Throws std::system_error.
  explicit Session(const RecordRequest& request, int memory = -1);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void* base() const { return base_; }
  session::Control& control() const { return *static_cast<session::Control*>(base_); }

  // Ticks of the session's clock since its start.
  std::uint64_t now() const;

  // Wakes threads of the program that wait for a chunk.
  void wake_waiters();

  // The program is process `pid`. With `follows_exec` it finds its way back here when it becomes another program.
  void set_target(std::uint32_t pid, bool follows_exec = true);

  // The files that the program is started with besides its own.
  std::vector<std::string> preloaded() const;

  // `environ` with what the recorder needs added. After set_target.
  std::vector<std::string> environment(char* const* environ) const;

 private:
  std::uint32_t add_text(std::string_view text);
  void lock_life();

  int fd_ = -1;
  void* base_ = nullptr;
};

}  // namespace memray::collector
