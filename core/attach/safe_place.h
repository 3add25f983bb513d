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

  bool is_safe(const Tracee& thread) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray::attach
