// Pairing deallocations with allocations.
//
// The fast path of an allocation is two probes: what the place allocated before (stack, size, ... -> site) and the
// table of live blocks; that of a deallocation is one. An entry of that table is an address, a number and a site; sizes
// are those of sites. Everything that is rare, mappings above all, is kept apart.
//
// Late deallocations. realloc and munmap are reported after the fact, so another thread may have got the address, and
// even have freed it again, before the report comes. The allocation that took the address over has ended its
// predecessor, and has left a note that a deallocation older than itself is awaited there: that is told from one of
// memory that was allocated before recording. Whether an allocation is younger than a late deallocation is looked up
// among the stamps of the latest allocations, which no entry of the table has to carry.
#include "capture/matcher.h"

#include <algorithm>
#include <unordered_map>

#include "capture/intern_table.h"
#include "capture/live_table.h"
#include "capture/mappings.h"
#include "capture/number_map.h"
#include "capture/site_cache.h"

namespace memray {
namespace {

// A place (stack, thread and allocator) that has allocated this many sizes gets one site for all further ones: the
// dictionary would cost more than it saves.
constexpr std::uint32_t kSizesPerPlace = 256;

// Addresses with deallocations still to come; when there are more, they belong to frees that nobody will report.
constexpr std::size_t kAwaited = std::size_t{1} << 16;

// munmap takes whole pages.
constexpr std::uint64_t kPage = 4096;
std::uint64_t page_end(std::uint64_t address, std::uint64_t length) {
  const std::uint64_t end = address + std::min(length, ~std::uint64_t{0} - address);
  return end > ~std::uint64_t{0} - kPage ? ~std::uint64_t{0} : (end + kPage - 1) / kPage * kPage;
}

struct Place {
  StackId stack{}, native_stack{};
  ThreadId thread{};
  Allocator allocator{};
  std::uint32_t sizes = 0;

  friend bool operator==(const Place& a, const Place& b) {
    return a.stack == b.stack && a.native_stack == b.native_stack && a.thread == b.thread && a.allocator == b.allocator;
  }
};

std::uint64_t hash_of(const Place& p) {
  return mix(static_cast<std::uint64_t>(index(p.stack)) << 32 | index(p.native_stack),
             static_cast<std::uint64_t>(index(p.thread)) << 8 | static_cast<std::uint64_t>(p.allocator));
}

// How many sizes each place has seen.
class Places {
 public:
  std::uint32_t& sizes(const Site& site) {
    const Place place{site.stack, site.native_stack, site.thread, site.allocator};
    const std::uint64_t hash = hash_of(place);
    std::uint32_t number = table_.find(hash, [&](std::uint32_t other) { return places_[other] == place; });
    if (number == InternTable::kNone) {
      number = static_cast<std::uint32_t>(places_.size());
      places_.push_back(place);
      table_.insert(hash, number, [&](std::uint32_t other) { return hash_of(places_[other]); });
    }
    return places_[number].sizes;
  }

 private:
  std::vector<Place> places_;
  InternTable table_;
};

// Deallocations of one address that are still to be reported, for memory that was reused before they were.
struct Awaited {
  std::uint64_t stamp = 0;  // of the latest allocation there that ended one before
  std::uint32_t count = 0;
};

// When the latest allocations were made. A thread that is held up between a realloc and its report for longer than all
// others take for so many allocations may be misunderstood.
class LatestStamps {
 public:
  void add(std::uint64_t number, std::uint64_t stamp) {
    stamps_[number % stamps_.size()] = stamp;
    latest_ = std::max(latest_, stamp);
  }
  // Whether allocation `number`, of `made` so far, is younger than `stamp`.
  bool younger(std::uint64_t number, std::uint64_t made, std::uint64_t stamp) const {
    if (stamp >= latest_) [[likely]]
      return false;
    return number + stamps_.size() >= made && stamps_[number % stamps_.size()] > stamp;
  }

 private:
  std::vector<std::uint64_t> stamps_ = std::vector<std::uint64_t>(std::size_t{1} << 16);
  std::uint64_t latest_ = 0;
};

// What of a site every event needs.
struct SiteSize {
  static constexpr std::uint32_t kApart = 0xffff'ffff;  // sizes vary, or are larger than this
  std::uint32_t size = 0;
  Allocator deallocator{};
};

struct ProcessMemory {
  LiveTable heap;
  Mappings mappings;
  NumberMap<std::uint64_t> apart;                      // sizes that the site does not tell, by number
  std::unordered_map<std::uint64_t, Awaited> awaited;  // by address
  std::uint64_t bytes = 0;
};

}  // namespace

struct Matcher::State {
  explicit State(Definitions& d) : definitions(d) {}

  Definitions& definitions;
  Places places;
  SiteCache known_sites;
  std::vector<SiteSize> sizes;  // by site
  LatestStamps stamps;
  std::vector<std::unique_ptr<ProcessMemory>> processes;
  ProcessId latest_process{};
  ProcessMemory* latest_memory = nullptr;
  std::vector<Event> events = std::vector<Event>(1024);
  std::size_t count = 0;  // of `events` that hold one
  Totals totals;          // but for the peak
  std::uint64_t next_number = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t peak_bytes = 0;
  std::uint64_t unknown = 0;

  // Mostly the one that was asked about before.
  ProcessMemory& memory(ProcessId process) {
    if (process != latest_process || latest_memory == nullptr) [[unlikely]] {
      latest_memory = &find_memory(process);
      latest_process = process;
    }
    return *latest_memory;
  }

  [[gnu::noinline]] ProcessMemory& find_memory(ProcessId process) {
    const std::size_t n = index(process);
    if (n >= processes.size()) processes.resize(n + 1);
    if (!processes[n]) processes[n] = std::make_unique<ProcessMemory>();
    return *processes[n];
  }

  SiteId site_of(const RawAllocation& a) {
    SiteCache::Entry& entry = known_sites.entry(a);
    if (!entry.is(a)) [[unlikely]]
      entry = {a, find_site(a)};
    return entry.site();
  }

  [[gnu::noinline]] SiteId find_site(const RawAllocation& a) {
    Site site{a.stack, a.native_stack, a.thread, a.allocator, true, a.size};
    if (!definitions.find_site(site)) {
      std::uint32_t& seen = places.sizes(site);
      site.fixed_size = seen < kSizesPerPlace;
      site.size = site.fixed_size ? a.size : 0;
      seen += site.fixed_size;
    }
    const SiteId id = definitions.add_site(site);
    if (index(id) >= sizes.size()) sizes.resize(index(id) + 1);
    const bool apart = !site.fixed_size || site.size >= SiteSize::kApart;
    sizes[index(id)] = {apart ? SiteSize::kApart : static_cast<std::uint32_t>(site.size), deallocator_of(a.allocator)};
    return id;
  }

  Event& add(const Event& event) {
    if (count == events.size()) [[unlikely]]
      events.resize(2 * count);
    return events[count++] = event;
  }

  std::uint64_t begin_allocation(const RawAllocation& a, SiteId site, ProcessMemory& memory) {
    add({Event::Kind::allocation, a.allocator, 1, a.thread, site, 0, next_number, a.address, a.size, a.time});
    totals.allocated_bytes += a.size;
    memory.bytes += a.size;
    live_bytes += a.size;
    peak_bytes = std::max(peak_bytes, live_bytes);
    return next_number++;
  }

  Event& add_deallocation(Event::Kind kind, Allocator allocator, ThreadId thread, Time time, SiteId site,
                          std::uint64_t number, std::uint64_t address, std::uint64_t size, ProcessMemory& memory) {
    memory.bytes -= size;
    live_bytes -= size;
    return add({kind, allocator, 1, thread, site, 0, number, address, size, time});
  }

  void add_unknown(const RawDeallocation& d) {
    ++unknown;
    add({Event::Kind::unknown_deallocation, d.allocator, 1, d.thread, SiteId{}, 0, 0, d.address, d.length, d.time});
  }

  // Ends a heap block; the entry stays in the table.
  void end(const LiveBlock& block, std::uint64_t address, ThreadId thread, Time time, ProcessMemory& memory) {
    const SiteSize& site = sizes[block.site()];
    std::uint64_t size = site.size;
    if (site.size == SiteSize::kApart) [[unlikely]] {
      size = *memory.apart.find(block.number());
      memory.apart.erase(block.number());
    }
    ++totals.deallocations;
    add_deallocation(Event::Kind::deallocation, site.deallocator, thread, time, SiteId{block.site()}, block.number(),
                     address, size, memory);
  }

  [[gnu::noinline]] void replace(LiveBlock* block, const RawAllocation& a, ProcessMemory& memory) {
    end(*block, a.address, a.thread, a.time, memory);
    memory.heap.erase(block);
    if (memory.awaited.size() >= kAwaited) memory.awaited.clear();
    Awaited& awaited = memory.awaited[a.address];
    awaited.stamp = a.stamp;
    ++awaited.count;
  }

  // Whether this deallocation is the one that an allocation at its address has anticipated.
  bool was_awaited(const RawDeallocation& d, ProcessMemory& memory) {
    if (memory.awaited.empty()) return false;
    const auto place = memory.awaited.find(d.address);
    if (place == memory.awaited.end() || place->second.stamp < d.stamp) return false;
    if (--place->second.count == 0) memory.awaited.erase(place);
    return true;
  }

  bool remove_mapped(std::uint64_t start, std::uint64_t end, std::uint64_t stamp, ThreadId thread, Time time,
                     ProcessMemory& memory) {
    return memory.mappings.remove(start, end, stamp, [&](const Removal& removal) {
      const Mapping& mapping = removal.mapping;
      const bool gone = mapping.pieces == 0;
      Event& event = add_deallocation(gone ? Event::Kind::deallocation : Event::Kind::partial_deallocation,
                                      Allocator::munmap, thread, time, SiteId{mapping.site}, mapping.number,
                                      gone ? mapping.address : removal.address, removal.size, memory);
      event.pieces = gone ? 1 : mapping.pieces;
      totals.deallocations += gone;
    });
  }
};

Matcher::Matcher(Definitions& definitions) : state_(std::make_unique<State>(definitions)) {}
Matcher::~Matcher() = default;

void Matcher::allocate(const RawAllocation& allocation) {
  State& s = *state_;
  ProcessMemory& memory = s.memory(allocation.process);
  const SiteId site = s.site_of(allocation);
  LiveBlock* place = memory.heap.place_for(allocation.address);
  if (!place->is_free()) [[unlikely]] {
    s.replace(place, allocation, memory);
    place = memory.heap.place_for(allocation.address);
  }
  const std::uint64_t number = s.begin_allocation(allocation, site, memory);
  s.stamps.add(number, allocation.stamp);
  if (s.sizes[index(site)].size == SiteSize::kApart) [[unlikely]]
    memory.apart[number] = allocation.size;
  memory.heap.insert(place, {allocation.address, number, index(site)});
}

void Matcher::deallocate(const RawDeallocation& deallocation) {
  State& s = *state_;
  ProcessMemory& memory = s.memory(deallocation.process);
  LiveBlock* const block = memory.heap.find(deallocation.address);
  if (block != nullptr && !s.stamps.younger(block->number(), s.next_number, deallocation.stamp)) [[likely]] {
    s.end(*block, deallocation.address, deallocation.thread, deallocation.time, memory);
    memory.heap.erase(block);
  } else if (!s.was_awaited(deallocation, memory)) {
    s.add_unknown(deallocation);
  }
}

const LiveTable& Matcher::heap_of(ProcessId process) { return state_->memory(process).heap; }

void Matcher::map(const RawAllocation& mapping) {
  State& s = *state_;
  ProcessMemory& memory = s.memory(mapping.process);
  const SiteId site = s.site_of(mapping);
  const std::uint64_t end = page_end(mapping.address, mapping.size);
  s.remove_mapped(mapping.address, end, ~std::uint64_t{0}, mapping.thread, mapping.time, memory);
  const std::uint64_t number = s.begin_allocation(mapping, site, memory);
  const std::uint64_t size = std::min(mapping.size, ~std::uint64_t{0} - mapping.address);
  if (size == 0) return;
  memory.mappings.insert({number, mapping.address, mapping.stamp, size, index(site), 1}, size);
}

void Matcher::unmap(const RawDeallocation& unmapping) {
  State& s = *state_;
  ProcessMemory& memory = s.memory(unmapping.process);
  const std::uint64_t end = page_end(unmapping.address, unmapping.length);
  if (!s.remove_mapped(unmapping.address, end, unmapping.stamp, unmapping.thread, unmapping.time, memory))
    s.add_unknown(unmapping);
}

void Matcher::process_ended(ProcessId process, bool exec, Time time) {
  State& s = *state_;
  const std::uint64_t bytes = s.memory(process).bytes;
  s.processes[index(process)] = nullptr;
  s.latest_memory = nullptr;
  s.live_bytes -= bytes;
  const auto kind = exec ? Event::Kind::process_exec : Event::Kind::process_exit;
  s.add({kind, Allocator::none, 1, ThreadId{}, SiteId{}, index(process), 0, 0, bytes, time});
}

std::span<const Event> Matcher::events() const { return std::span(state_->events).first(state_->count); }
void Matcher::clear() {
  state_->totals.events += state_->count;
  state_->count = 0;
}

std::uint64_t Matcher::live_bytes() const { return state_->live_bytes; }
std::uint64_t Matcher::live_bytes(ProcessId process) const {
  const std::size_t n = index(process);
  return n < state_->processes.size() && state_->processes[n] ? state_->processes[n]->bytes : 0;
}
std::uint64_t Matcher::live_count() const {
  std::uint64_t count = 0;
  for (const auto& memory : state_->processes)
    if (memory) count += memory->heap.count() + memory->mappings.live_count();
  return count;
}
std::uint64_t Matcher::peak_bytes() const { return state_->peak_bytes; }
void Matcher::reset_peak() { state_->peak_bytes = state_->live_bytes; }
Totals Matcher::totals() const {
  Totals totals = state_->totals;
  totals.events += state_->count;
  totals.allocations = state_->next_number;
  totals.peak_bytes = state_->peak_bytes;
  return totals;
}
std::uint64_t Matcher::unknown_deallocations() const { return state_->unknown; }

}  // namespace memray
