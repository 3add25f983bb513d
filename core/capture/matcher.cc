// Pairing deallocations with allocations.
//
// The fast path of an allocation is two probes: the site table (stack, size, ... -> number) and the table of live
// blocks; that of a deallocation is one. Everything that is rare, mappings above all, is kept apart.
//
// Late deallocations. realloc and munmap are reported after the fact, so another thread may have got the address, and
// even have freed it again, before the report comes. The allocation that took the address over has ended its
// predecessor, and has left a note that a deallocation older than itself is awaited there: that is told from one of
// memory that was allocated before recording.
#include "capture/matcher.h"

#include <algorithm>
#include <unordered_map>

#include "capture/intern_table.h"
#include "capture/live_table.h"
#include "capture/mappings.h"

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

struct ProcessMemory {
  LiveTable heap;
  Mappings mappings;
  std::unordered_map<std::uint64_t, std::uint64_t> large;  // sizes that do not fit an entry of `heap`, by number
  std::unordered_map<std::uint64_t, Awaited> awaited;      // by address
  std::uint64_t bytes = 0;
};

}  // namespace

struct Matcher::State {
  explicit State(Definitions& d) : definitions(d) {}

  Definitions& definitions;
  Places places;
  std::vector<std::unique_ptr<ProcessMemory>> processes;
  std::vector<Event> events;
  std::uint64_t next_number = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t peak_bytes = 0;
  std::uint64_t unknown = 0;

  ProcessMemory& memory(ProcessId process) {
    const std::size_t n = index(process);
    if (n >= processes.size()) processes.resize(n + 1);
    if (!processes[n]) processes[n] = std::make_unique<ProcessMemory>();
    return *processes[n];
  }

  SiteId site_of(const RawAllocation& a) {
    Site site{a.stack, a.native_stack, a.thread, a.allocator, true, a.size};
    if (const auto known = definitions.find_site(site)) [[likely]]
      return *known;
    std::uint32_t& sizes = places.sizes(site);
    if (sizes < kSizesPerPlace) {
      ++sizes;
    } else {
      site.fixed_size = false;
      site.size = 0;
    }
    return definitions.add_site(site);
  }

  Event& add(Event::Kind kind, ThreadId thread, Time time) {
    Event& event = events.emplace_back();
    event.kind = kind;
    event.thread = thread;
    event.time = time;
    return event;
  }

  std::uint64_t begin_allocation(const RawAllocation& a, SiteId site, ProcessMemory& memory) {
    Event& event = add(Event::Kind::allocation, a.thread, a.time);
    event.allocator = a.allocator;
    event.site = site;
    event.number = next_number;
    event.address = a.address;
    event.size = a.size;
    memory.bytes += a.size;
    live_bytes += a.size;
    peak_bytes = std::max(peak_bytes, live_bytes);
    return next_number++;
  }

  Event& add_deallocation(Event::Kind kind, Allocator allocator, ThreadId thread, Time time, SiteId site,
                          std::uint64_t number, std::uint64_t address, std::uint64_t size, ProcessMemory& memory) {
    Event& event = add(kind, thread, time);
    event.allocator = allocator;
    event.site = site;
    event.number = number;
    event.address = address;
    event.size = size;
    memory.bytes -= size;
    live_bytes -= size;
    return event;
  }

  void add_unknown(const RawDeallocation& d) {
    ++unknown;
    Event& event = add(Event::Kind::unknown_deallocation, d.thread, d.time);
    event.allocator = d.allocator;
    event.address = d.address;
    event.size = d.length;
  }

  // Ends a heap block; the entry stays in the table.
  void end(const LiveBlock& block, ThreadId thread, Time time, ProcessMemory& memory) {
    std::uint64_t size = block.size;
    if (block.size == LiveBlock::kLarge) [[unlikely]] {
      const auto place = memory.large.find(block.number);
      size = place->second;
      memory.large.erase(place);
    }
    add_deallocation(Event::Kind::deallocation, static_cast<Allocator>(block.deallocator), thread, time,
                     SiteId{block.site}, block.number, block.address, size, memory);
  }

  void replace(LiveBlock* block, const RawAllocation& a, ProcessMemory& memory) {
    end(*block, a.thread, a.time, memory);
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
    });
  }
};

Matcher::Matcher(Definitions& definitions) : state_(std::make_unique<State>(definitions)) {}
Matcher::~Matcher() = default;

void Matcher::allocate(const RawAllocation& allocation) {
  State& s = *state_;
  ProcessMemory& memory = s.memory(allocation.process);
  const SiteId site = s.site_of(allocation);
  if (LiveBlock* const old = memory.heap.find(allocation.address)) [[unlikely]]
    s.replace(old, allocation, memory);
  const std::uint64_t number = s.begin_allocation(allocation, site, memory);
  const bool large = allocation.size >= LiveBlock::kLarge;
  if (large) [[unlikely]]
    memory.large[number] = allocation.size;
  memory.heap.insert({allocation.address, number & LiveBlock::kNumberMask,
                      static_cast<std::uint8_t>(deallocator_of(allocation.allocator)), allocation.stamp, index(site),
                      large ? LiveBlock::kLarge : static_cast<std::uint32_t>(allocation.size)});
}

void Matcher::deallocate(const RawDeallocation& deallocation) {
  State& s = *state_;
  ProcessMemory& memory = s.memory(deallocation.process);
  LiveBlock* const block = memory.heap.find(deallocation.address);
  if (block != nullptr && block->stamp <= deallocation.stamp) [[likely]] {
    s.end(*block, deallocation.thread, deallocation.time, memory);
    memory.heap.erase(block);
  } else if (!s.was_awaited(deallocation, memory)) {
    s.add_unknown(deallocation);
  }
}

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
  s.live_bytes -= bytes;
  Event& event = s.add(exec ? Event::Kind::process_exec : Event::Kind::process_exit, ThreadId{}, time);
  event.index = index(process);
  event.size = bytes;
}

std::span<const Event> Matcher::events() const { return state_->events; }
void Matcher::clear() { state_->events.clear(); }

std::uint64_t Matcher::live_bytes() const { return state_->live_bytes; }
std::uint64_t Matcher::live_count() const {
  std::uint64_t count = 0;
  for (const auto& memory : state_->processes)
    if (memory) count += memory->heap.count() + memory->mappings.live_count();
  return count;
}
std::uint64_t Matcher::peak_bytes() const { return state_->peak_bytes; }
void Matcher::reset_peak() { state_->peak_bytes = state_->live_bytes; }
std::uint64_t Matcher::unknown_deallocations() const { return state_->unknown; }

}  // namespace memray
