// Memory samples of one process: what the kernel says, without what is memray's own.
//
// Resident and anonymous memory are counters that the kernel keeps; they are read every time. What it has to walk over
// page tables for, holding the program's address space meanwhile, is looked at now and then: it takes a hundredth of
// the time at most.
#pragma once

#include "collector/process_probe.h"
#include "session/layout.h"

#include <memray/capture.h>

#include <chrono>
#include <optional>

namespace memray::collector {

class MemorySampler {
 public:
  // `session`: bytes of the session that the process has touched; `sharers`: processes that map it. The sample's time,
  // process and heap are left to the caller.
  std::optional<MemorySample> take(ProcessProbe& probe, const session::OwnMemory& own, std::uint64_t session,
                                   std::uint64_t sharers);

  // A look that the first sample falls back on, for processes that are gone by then.
  void look_early(ProcessProbe& probe) { earlier_ = probe.memory(); }

 private:
  void look_closely(ProcessProbe& probe, const session::OwnMemory& own);

  std::optional<ProcessProbe::Memory> earlier_;
  std::chrono::steady_clock::time_point next_look_{};
  std::uint64_t proportional_ = 0;
  std::uint64_t mappings_ = 0;
  std::uint64_t own_resident_ = 0;
  std::uint64_t own_mapped_ = 0;
};

}  // namespace memray::collector
