// What an open capture is made of, for the queries of core that read blocks without making events of them.
#pragma once

#include <memray/capture.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "capture/aggregates.h"
#include "capture/block_list.h"
#include "capture/event_decoder.h"

namespace memray {

struct Capture::State {
  explicit State(std::string p) : path(std::move(p)), file(path) {}
  State() : file(std::span<const std::byte>{}) {}

  std::string path;
  format::File file;
  std::vector<format::BlockPlace> events_blocks;
  std::vector<format::BlockPlace> objects_blocks;
  Metadata metadata;
  Definitions definitions;
  Totals totals;
  std::optional<Aggregates> aggregates;
  std::vector<MemorySample> samples;
  std::optional<std::string> damage;
  std::function<void(double)> progress;

  void open();
  void check_file_header();
  void load(const format::BlockList& list);
  void finish_metadata(const format::BlockList& list, bool complete);
  bool load_block(const format::BlockPlace& block);
  bool verify_events(const format::BlockPlace& block);
  bool load_metadata(const format::BlockPlace& block);
  bool load_samples(const format::BlockPlace& block);
  bool load_aggregates(const format::BlockPlace& block);
  void require_events() const;
  void note_malformed(const format::BlockPlace& block);
  void add_totals(const format::EventsSummary& summary);
  void add_totals(const Totals& other);

  // Calls `receive(entry, stored)` for each section until it returns false.
  template <typename F>
  bool for_each_section(const format::BlockPlace& block, F receive) const {
    format::ByteWriter stored;
    std::uint64_t offset = block.offset + block.header.header_size;
    for (const format::SectionEntry& entry : block.header.sections) {
      if (!receive(entry, file.read(offset, entry.stored_size, stored))) return false;
      offset += entry.stored_size;
    }
    return true;
  }

  bool read_events(const format::BlockPlace& block, Columns columns, format::EventSections& sections) const;
  using BlockReceiver =
      std::function<format::EventDecoder::Result(const format::EventsSummary&, const format::EventSections&)>;
  // Unpacks the events blocks one by one until `receive` says otherwise. Notes damage, reports progress.
  // Throws as require_events() does.
  void for_each_events_block(Columns columns, const BlockReceiver& receive, std::size_t first = 0);
  // Capture::events() from a block on. To it, what was allocated before is unknown: see EventDecoder.
  void events_from(std::size_t block, Columns columns, const std::function<bool(std::span<const Event>)>& receive);

  void report(double fraction) const {
    if (progress) progress(fraction);
  }
};

}  // namespace memray
