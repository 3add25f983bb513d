// The two forms of the statistics.
#pragma once

#include <memray/query.h>

#include <string>

namespace memray::stats {

std::string text_report(const Capture& capture, const Statistics& statistics);
std::string json_report(const Capture& capture, const Statistics& statistics);

// "function:file:line", or "<stack trace unavailable>".
std::string location_text(const Definitions& definitions, const Location& location);

// "MALLOC", ...
std::string upper_name(Allocator allocator);

}  // namespace memray::stats
