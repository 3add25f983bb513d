#pragma once

#include <string_view>

namespace memray::fuzz {

// Asks everything there is to ask of a capture. Anything but an answer or a CaptureError is a bug.
void ask_everything(std::string_view capture);

}  // namespace memray::fuzz
