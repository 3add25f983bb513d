// Metadata as pairs of key and value, both text, so that old readers keep what they do not know.
#pragma once

#include <memray/capture.h>

#include "capture/varint.h"

namespace memray::format {

void write_metadata(ByteWriter& out, const Metadata& metadata);

// Replaces in `metadata` what `raw` says, and leaves the rest. False if `raw` is malformed.
bool read_metadata(std::span<const std::byte> raw, Metadata& metadata);

}  // namespace memray::format
