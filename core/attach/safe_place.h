// Whether a thread that was stopped anywhere can be made to load a library.
#pragma once

#include "attach/tracee.h"

#include <memory>

namespace memray::attach {

class SafePlace {
 public:
  explicit SafePlace(pid_t pid);
  ~SafePlace();
  SafePlace(const SafePlace&) = delete;
  SafePlace& operator=(const SafePlace&) = delete;

  struct Verdict {
    bool safe = false;
    std::uint64_t until = 0;  // where it is not, the address at which the thread may be safe next; 0 if not known
  };
  Verdict look_at(const Tracee& thread) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray::attach
