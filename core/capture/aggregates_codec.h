// Aggregates as sections of an aggregates block.
#pragma once

#include "capture/aggregates.h"
#include "capture/format.h"

namespace memray::format {

void write_aggregates(BlockBuilder& block, const Aggregates& aggregates, const Definitions& definitions);

// All sections of one id, joined. False if they are malformed. Those of unknown ids are ignored.
bool read_aggregates(SectionId id, std::span<const std::byte> raw, const Definitions& definitions,
                     Aggregates& aggregates);

}  // namespace memray::format
