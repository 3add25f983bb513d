// Opening a capture and passing over its events.
//
// Deallocations name allocations of earlier blocks, so what follows a hole in the data would be told wrongly: blocks
// freed in the hole would look leaked. Data therefore ends at the first block of events or definitions that is damaged,
// and all figures (totals, end, events) are those of the moment before it. All checksums are verified while opening,
// at gigabytes a second, so that this is known before the first event is delivered.
#include <algorithm>
#include <future>
#include <map>
#include <utility>

#include "capture/aggregates_codec.h"
#include "capture/capture_state.h"
#include "capture/crc32.h"
#include "capture/definitions_codec.h"
#include "capture/metadata_codec.h"
#include "capture/samples_codec.h"

namespace memray {

using namespace format;

namespace {

// Where there can be no more threads, what was to be done in one is done when it is asked for.
constexpr auto kInBackground = std::launch::async | std::launch::deferred;

}  // namespace

void Capture::State::check_file_header() {
  ByteWriter buffer;
  const auto bytes = file.read(0, kFileHeaderSize, buffer);
  if (bytes.empty()) throw CaptureError("is empty");
  const std::size_t known = std::min(bytes.size(), kSignature.size());
  if (std::memcmp(bytes.data(), kSignature.data(), known) != 0) throw CaptureError("is not a memray capture");
  if (bytes.size() < kFileHeaderSize) throw CaptureError("is cut off in its first bytes: nothing can be read");
  ByteReader in(bytes.subspan(kSignature.size()));
  const unsigned major = in.u16();
  const unsigned minor = in.u16();
  if (major != kMajor)
    throw CaptureError("has capture format version " + std::to_string(major) + "." + std::to_string(minor) +
                       ", this memray reads version " + std::to_string(kMajor));
}

bool Capture::State::load_metadata(const BlockPlace& block) {
  ByteWriter raw;
  return for_each_section(block, [&](const SectionEntry& entry, std::span<const std::byte> stored) {
    if (entry.id != SectionId::metadata) return true;
    return unpack_section(entry, stored, raw) && read_metadata(raw.bytes(), metadata);
  });
}

bool Capture::State::verify_events(const BlockPlace& block) {
  const EventsSummary& s = block.header.summary;
  // An event takes a byte at least, in blocks of every other size.
  std::uint64_t bytes = 0;
  const bool intact = for_each_section(block, [&](const SectionEntry& entry, std::span<const std::byte> stored) {
    if (entry.id == SectionId::events) bytes += entry.raw_size;
    return stored.size() == entry.stored_size && crc32(stored) == entry.checksum;
  });
  return intact && s.events <= bytes && s.allocations <= s.events && s.deallocations <= s.events &&
         s.peak_event < s.events && s.first_event == totals.events && s.first_allocation == totals.allocations;
}

bool Capture::State::load_block(const BlockPlace& block) {
  switch (block.header.kind) {
    case BlockKind::header:
      return load_metadata(block);
    case BlockKind::events:
      if (!verify_events(block)) return false;
      add_totals(block.header.summary);
      events_blocks.push_back(block);
      return true;
    case BlockKind::aggregates:
      return load_aggregates(block);
    case BlockKind::objects:
      objects_blocks.push_back(block);
      return true;
    case BlockKind::samples:
      return load_samples(block);
    case BlockKind::definitions: {
      ByteWriter raw;
      return for_each_section(block, [&](const SectionEntry& entry, std::span<const std::byte> stored) {
        return unpack_section(entry, stored, raw) && read_definitions(entry.id, raw.bytes(), definitions);
      });
    }
    default:
      return true;  // of a later minor version
  }
}

bool Capture::State::load_samples(const BlockPlace& block) {
  ByteWriter raw;
  std::vector<MemorySample> read;
  const bool sound = for_each_section(block, [&](const SectionEntry& entry, std::span<const std::byte> stored) {
    if (!unpack_section(entry, stored, raw)) return false;
    if (entry.id == SectionId::samples) return read_samples(raw.bytes(), definitions.processes(), read);
    return entry.id != SectionId::sample_details || read_sample_details(raw.bytes(), read);
  });
  if (sound) samples.insert(samples.end(), read.begin(), read.end());
  return sound;
}

bool Capture::State::load_aggregates(const BlockPlace& block) {
  if (aggregates || totals.events != 0) return false;
  ByteWriter raw;
  std::map<SectionId, ByteWriter> joined;
  const bool intact = for_each_section(block, [&](const SectionEntry& entry, std::span<const std::byte> stored) {
    if (!unpack_section(entry, stored, raw)) return false;
    joined[entry.id].raw(raw.bytes().data(), raw.size());
    return true;
  });
  if (!intact) return false;
  Aggregates read;
  for (const auto& [id, bytes] : joined)
    if (!read_aggregates(id, bytes.bytes(), definitions, read)) return false;
  aggregates = std::move(read);
  return true;
}

void Capture::State::require_events() const {
  if (!metadata.aggregated) return;
  throw CaptureError("this takes every single allocation, and " + path +
                     " was recorded with --aggregate, which keeps totals; record without --aggregate for it");
}

void Capture::State::add_totals(const EventsSummary& s) {
  add_totals(Totals{s.events, s.allocations, s.deallocations, s.allocated_bytes, s.live_peak});
}

void Capture::State::add_totals(const Totals& other) {
  totals.events += other.events;
  totals.allocations += other.allocations;
  totals.deallocations += other.deallocations;
  totals.allocated_bytes += other.allocated_bytes;
  totals.peak_bytes = std::max(totals.peak_bytes, other.peak_bytes);
}

void Capture::State::load(const BlockList& list) {
  if (!list.damage.empty()) damage = list.damage;
  bool complete = true;
  for (const BlockPlace& block : list.blocks) {
    if (load_block(block)) continue;
    const bool essential = block.header.kind != BlockKind::samples && block.header.kind != BlockKind::header;
    damage = "the file is damaged at byte " + std::to_string(block.offset) + " of " + std::to_string(file.size()) +
             (essential ? "; what was recorded after that is not shown" : "; memory samples or metadata are missing");
    if (!essential) continue;
    complete = false;
    break;
  }
  if (aggregates) add_totals(aggregates->totals);
  finish_metadata(list, complete);
}

void Capture::State::finish_metadata(const BlockList& list, bool complete) {
  if (list.trailer) {
    Metadata before = metadata;
    if (!load_metadata(*list.trailer)) {
      metadata = std::move(before);
      if (!damage) damage = "the end of the file is damaged: it is not known how the program ended";
    }
  }
  if (list.trailer && complete) return;
  metadata.end = aggregates ? aggregates->end : Time{};
  metadata.unknown_deallocations = aggregates ? aggregates->unknown_deallocations : 0;
  for (const BlockPlace& block : events_blocks) {
    metadata.end = std::max(metadata.end, Time{block.header.summary.last_time});
    metadata.unknown_deallocations += block.header.summary.unknown_deallocations;
  }
  if (complete)
    for (const MemorySample& sample : samples) metadata.end = std::max(metadata.end, sample.time);
}

void Capture::State::open() {
  check_file_header();
  load(list_blocks(file));
  std::stable_sort(samples.begin(), samples.end(),
                   [](const MemorySample& a, const MemorySample& b) { return a.time < b.time; });
}

bool Capture::State::read_events(const BlockPlace& block, Columns columns, EventSections& out) const {
  out.events.clear();
  out.threads.clear();
  out.address_codes.clear();
  out.address_deltas.clear();
  out.times.clear();
  std::uint64_t offset = block.offset + block.header.header_size;
  ByteWriter stored;
  for (const SectionEntry& entry : block.header.sections) {
    ByteWriter* target = nullptr;
    if (entry.id == SectionId::events) target = &out.events;
    if (entry.id == SectionId::event_threads && has(columns, Columns::thread)) target = &out.threads;
    if (entry.id == SectionId::address_codes && has(columns, Columns::address)) target = &out.address_codes;
    if (entry.id == SectionId::address_deltas && has(columns, Columns::address)) target = &out.address_deltas;
    if (entry.id == SectionId::times && has(columns, Columns::time)) target = &out.times;
    if (target != nullptr && !unpack_section(entry, file.read(offset, entry.stored_size, stored), *target))
      return false;
    offset += entry.stored_size;
  }
  return true;
}

Capture::Capture(const std::string& path) : state_(std::make_unique<State>(path)) { state_->open(); }
Capture::Capture(std::unique_ptr<State> state) : state_(std::move(state)) {}
Capture::~Capture() = default;
Capture::Capture(Capture&&) noexcept = default;
Capture& Capture::operator=(Capture&&) noexcept = default;

const std::string& Capture::path() const { return state_->path; }
const Metadata& Capture::metadata() const { return state_->metadata; }
const Definitions& Capture::definitions() const { return state_->definitions; }
const Totals& Capture::totals() const { return state_->totals; }
const std::vector<MemorySample>& Capture::memory_samples() const { return state_->samples; }
const std::optional<std::string>& Capture::damage() const { return state_->damage; }
void Capture::on_progress(std::function<void(double)> report) { state_->progress = std::move(report); }
void Capture::require_events() const { state_->require_events(); }

Capture::State& Capture::state() const { return *state_; }

// Only a file that changed since it was opened, or that no memray wrote, comes here.
void Capture::State::note_malformed(const BlockPlace& block) {
  damage = "the events at byte " + std::to_string(block.offset) + " make no sense; the rest is not shown";
}

// Another thread unpacks the next block while `receive` works on this one.
void Capture::State::for_each_events_block(Columns columns, const BlockReceiver& receive, std::size_t first) {
  require_events();
  EventSections sections, next_sections;
  const auto read = [&](std::size_t i, EventSections& into) { return read_events(events_blocks[i], columns, into); };
  const std::size_t blocks = events_blocks.size();
  bool intact = first < blocks && read(first, sections);
  for (std::size_t i = first; i < blocks; ++i) {
    report(static_cast<double>(i) / static_cast<double>(blocks));
    std::future<bool> next;
    if (i + 1 < blocks) next = std::async(kInBackground, read, i + 1, std::ref(next_sections));
    const auto result = intact ? receive(events_blocks[i].header.summary, sections) : EventDecoder::Result::malformed;
    if (result == EventDecoder::Result::malformed) note_malformed(events_blocks[i]);
    if (result != EventDecoder::Result::done) return;
    if (next.valid()) intact = next.get();
    std::swap(sections, next_sections);
  }
  report(1);
}

void Capture::State::events_from(std::size_t block, Columns columns,
                                 const std::function<bool(std::span<const Event>)>& receive) {
  EventDecoder decoder(definitions, columns);
  if (block > 0 && block < events_blocks.size()) decoder.begin_at(events_blocks[block].header.summary);
  std::vector<Event> batch;
  const auto decode = [&](const EventsSummary& summary, const EventSections& sections) {
    bool sound = decoder.begin(summary, sections);
    while (sound) {
      batch.clear();
      sound = decoder.next(batch);
      if (batch.empty()) break;
      if (!receive(batch)) return EventDecoder::Result::stopped;
    }
    return sound ? EventDecoder::Result::done : EventDecoder::Result::malformed;
  };
  for_each_events_block(columns, decode, block);
}

void Capture::events(Columns columns, const std::function<bool(std::span<const Event>)>& receive) const {
  state_->events_from(0, columns, receive);
}

}  // namespace memray
