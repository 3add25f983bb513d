// The source lines of a recording that is still made, read once and not once a second.
#pragma once

#include "html_common/source_lines.h"

#include <memray/capture.h>

#include <optional>

namespace memray::html {

class LiveSources {
 public:
  SourceLines& of(const Capture& capture) {
    const std::int64_t recorded = capture.metadata().start_time_ns;
    if (!lines_ || recorded_ != recorded) lines_.emplace(Confidential::by_permissions, recorded);
    recorded_ = recorded;
    return *lines_;
  }

 private:
  std::optional<SourceLines> lines_;
  std::int64_t recorded_ = 0;
};

}  // namespace memray::html
