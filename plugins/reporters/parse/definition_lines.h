// The part of the dump that says what the numbers in events mean.
#pragma once

#include <memray/capture.h>

#include "lines.h"

namespace memray::parse {

void add_header(Lines& lines, const Capture& capture);
void add_definitions(Lines& lines, const Definitions& definitions);
void add_trailer(Lines& lines, const Capture& capture);

}  // namespace memray::parse
