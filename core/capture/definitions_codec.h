// Definitions as sections of a definitions block: what was added since the last one.
#pragma once

#include <memray/definitions.h>

#include <vector>

#include "capture/format.h"

namespace memray::format {

class DefinitionsWriter {
 public:
  explicit DefinitionsWriter(const Definitions& definitions) : definitions_(definitions) {}

  // Adds to `block` what is new, or part of it: call until `block` stays empty.
  void write(BlockBuilder& block);

 private:
  // These return whether the table is written to its end.
  template <std::size_t N, typename RowOf>
  bool write_table(BlockBuilder& block, SectionId id, unsigned differences, std::size_t& written, std::size_t count,
                   RowOf row_of);
  bool write_strings(BlockBuilder& block);
  void write_thread_names(BlockBuilder& block);
  void write_locations(BlockBuilder& block);

  const Definitions& definitions_;
  std::size_t strings_ = 0, frames_ = 0, stacks_ = 0, sites_ = 0, threads_ = 0, processes_ = 0, modules_ = 0,
              name_changes_ = 0;
  std::size_t located_ = 0;
  std::vector<StringId> thread_names_;
};

// Adds a section to `definitions`. False if it is malformed, does not follow what was read before, or names what is
// not defined yet. Sections of unknown ids are ignored.
bool read_definitions(SectionId id, std::span<const std::byte> raw, Definitions& definitions);

}  // namespace memray::format
