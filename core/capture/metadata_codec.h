// Metadata as pairs of key and value, both text, so that old readers keep what they do not know.
#pragma once

#include <memray/capture.h>

#include <map>
#include <string>

#include "capture/varint.h"

namespace memray::format {

// Writes what differs from what was written before; at first, from what is said without a word.
class MetadataWriter {
 public:
  MetadataWriter();
  void write(ByteWriter& out, const Metadata& metadata);

 private:
  std::map<std::string, std::string> written_;
};

// Replaces in `metadata` what `raw` says, and leaves the rest. False if `raw` is malformed.
bool read_metadata(std::span<const std::byte> raw, Metadata& metadata);

}  // namespace memray::format
