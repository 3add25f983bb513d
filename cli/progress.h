// A bar on standard error while a pass over a capture takes longer than a second. Silent where that is no terminal.
#pragma once

#include <chrono>

namespace memray::cli {

class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(double fraction);
  void clear();  // before anything else is printed

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool shown_ = false;
  double fraction_ = 1;
  Clock::time_point pass_start_, last_drawn_;
};

}  // namespace memray::cli
