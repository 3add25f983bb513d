// Memory samples as a section of a samples block.
#pragma once

#include <memray/capture.h>

#include <span>
#include <vector>

#include "capture/varint.h"

namespace memray::format {

void write_samples(ByteWriter& out, std::span<const MemorySample> samples);
// The fields that format 1.0 did not begin with are a section of their own.
void write_sample_details(ByteWriter& out, std::span<const MemorySample> samples);

// Adds to `samples`. False if the section is malformed, or names a process that is not among `processes`.
bool read_samples(std::span<const std::byte> raw, std::size_t processes, std::vector<MemorySample>& samples);
// Fills in those of the block.
bool read_sample_details(std::span<const std::byte> raw, std::span<MemorySample> samples);

}  // namespace memray::format
