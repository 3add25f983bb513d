// What a collector does again and again while a program is recorded, whoever started the program.
#pragma once

#include "collector/collector.h"
#include "collector/flush_schedule.h"
#include "collector/record.h"

#include <sys/types.h>
#include <chrono>
#include <string>

namespace memray::collector {

class Pump {
 public:
  Pump(Collector& collector, std::chrono::milliseconds sample_interval);

  // How long to wait before the next step.
  std::chrono::microseconds wait() const { return wait_; }

  // Reads what is committed, and does what is due: a memory sample, a flush, a word to the user.
  void step();

 private:
  using Clock = FlushSchedule::Clock;

  Collector& collector_;
  std::chrono::milliseconds sample_interval_;
  std::chrono::milliseconds tick_;
  std::chrono::microseconds wait_;
  Clock::time_point next_sample_;
  FlushSchedule flushes_;
  bool recording_ = false;
  bool sink_failed_ = false;
  bool told_of_waiting_ = false;
};

// What is known of a recording before it begins.
Metadata initial_metadata(const RecordRequest& request, pid_t pid);

// One line on standard error.
void warn(const std::string& text);

}  // namespace memray::collector
