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

#include "capture/intern_table.h"

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

}  // namespace

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
      table_.insert(hash, number);
    }
    return places_[number].sizes;
  }

 private:
  std::vector<Place> places_;
  InternTable table_;
};

Matcher::Matcher(Definitions& definitions) : definitions_(definitions), places_(std::make_unique<Places>()) {}
Matcher::~Matcher() = default;

ProcessMemory& Matcher::find_memory(ProcessId process) {
  const std::size_t n = index(process);
  if (n >= processes_.size()) processes_.resize(n + 1);
  if (!processes_[n]) processes_[n] = std::make_unique<ProcessMemory>();
  return *processes_[n];
}

SiteId Matcher::find_site(const RawAllocation& a) {
  Site site{a.stack, a.native_stack, a.thread, a.allocator, true, a.size};
  if (!definitions_.find_site(site)) {
    std::uint32_t& seen = places_->sizes(site);
    site.fixed_size = seen < kSizesPerPlace;
    site.size = site.fixed_size ? a.size : 0;
    seen += site.fixed_size;
  }
  const SiteId id = definitions_.add_site(site);
  if (index(id) >= sizes_.size()) sizes_.resize(index(id) + 1);
  const bool apart = !site.fixed_size || site.size >= SiteSize::kApart;
  sizes_[index(id)] = {apart ? SiteSize::kApart : static_cast<std::uint32_t>(site.size), deallocator_of(a.allocator),
                       site.fixed_size};
  return id;
}

std::uint64_t Matcher::take_size(ProcessMemory& memory, std::uint64_t number) {
  const std::uint64_t size = *memory.apart.find(number);
  memory.apart.erase(number);
  return size;
}

Event& Matcher::add(const Event& event) {
  if (count_ == events_.size()) [[unlikely]]
    events_.resize(2 * count_);
  return events_[count_++] = event;
}

void Matcher::add_allocation(const RawAllocation& a, SiteId site) {
  add({Event::Kind::allocation, a.allocator, 1, a.thread, site, 0, next_number_, a.address, a.size, a.time});
}

void Matcher::add_unknown(const RawDeallocation& d) {
  ++unknown_;
  add({Event::Kind::unknown_deallocation, d.allocator, 1, d.thread, SiteId{}, 0, 0, d.address, d.length, d.time});
}

void Matcher::end(ProcessMemory& memory, LiveBlock* block, std::uint64_t address, ThreadId thread, Time time) {
  const SiteId site{block->site()};
  const Block gone = remove(memory, block);
  add({Event::Kind::deallocation, sizes_[index(site)].deallocator, 1, thread, site, 0, gone.number, address, gone.size,
       time});
}

void Matcher::replace(ProcessMemory& memory, LiveBlock* block, const RawAllocation& a) {
  end(memory, block, a.address, a.thread, a.time);
  if (memory.awaited.size() >= kAwaited) memory.awaited.clear();
  Awaited& awaited = memory.awaited[a.address];
  awaited.stamp = a.stamp;
  ++awaited.count;
}

// Whether this deallocation is the one that an allocation at its address has anticipated.
bool Matcher::was_awaited(const RawDeallocation& d, ProcessMemory& memory) {
  if (memory.awaited.empty()) return false;
  const auto place = memory.awaited.find(d.address);
  if (place == memory.awaited.end() || place->second.stamp < d.stamp) return false;
  if (--place->second.count == 0) memory.awaited.erase(place);
  return true;
}

bool Matcher::remove_mapped(std::uint64_t start, std::uint64_t end, std::uint64_t stamp, ThreadId thread, Time time,
                            ProcessMemory& memory) {
  return memory.mappings.remove(start, end, stamp, [&](const Removal& removal) {
    const Mapping& mapping = removal.mapping;
    const bool gone = mapping.pieces == 0;
    const auto kind = gone ? Event::Kind::deallocation : Event::Kind::partial_deallocation;
    memory.bytes -= removal.size;
    live_bytes_ -= removal.size;
    totals_.deallocations += gone;
    add({kind, Allocator::munmap, gone ? 1 : mapping.pieces, thread, SiteId{mapping.site}, 0, mapping.number,
         gone ? mapping.address : removal.address, removal.size, time});
  });
}

void Matcher::allocate(const RawAllocation& allocation) {
  ProcessMemory& its = memory(allocation.process);
  const SiteId site = site_of(allocation);
  LiveBlock* place = its.heap.place_for(allocation.address);
  if (!place->is_free()) [[unlikely]] {
    replace(its, place, allocation);
    place = its.heap.place_for(allocation.address);
  }
  add_allocation(allocation, site);
  insert(its, place, allocation.address, allocation.size, site, allocation.stamp);
}

void Matcher::deallocate(const RawDeallocation& deallocation) {
  ProcessMemory& its = memory(deallocation.process);
  LiveBlock* const block = its.heap.find(deallocation.address);
  if (block != nullptr && !stamps_.younger(block->number(), next_number_, deallocation.stamp)) [[likely]] {
    end(its, block, deallocation.address, deallocation.thread, deallocation.time);
  } else if (!was_awaited(deallocation, its)) {
    add_unknown(deallocation);
  }
}

void Matcher::map(const RawAllocation& mapping) {
  ProcessMemory& its = memory(mapping.process);
  const SiteId site = site_of(mapping);
  const std::uint64_t end = page_end(mapping.address, mapping.size);
  remove_mapped(mapping.address, end, ~std::uint64_t{0}, mapping.thread, mapping.time, its);
  add_allocation(mapping, site);
  const std::uint64_t number = begin(its, mapping.size);
  const std::uint64_t size = std::min(mapping.size, ~std::uint64_t{0} - mapping.address);
  if (size == 0) return;
  its.mappings.insert({number, mapping.address, mapping.stamp, size, index(site), 1}, size);
}

void Matcher::unmap(const RawDeallocation& unmapping) {
  ProcessMemory& its = memory(unmapping.process);
  const std::uint64_t end = page_end(unmapping.address, unmapping.length);
  if (!remove_mapped(unmapping.address, end, unmapping.stamp, unmapping.thread, unmapping.time, its))
    add_unknown(unmapping);
}

void Matcher::process_ended(ProcessId process, bool exec, Time time) {
  const std::uint64_t bytes = memory(process).bytes;
  processes_[index(process)] = nullptr;
  latest_memory_ = nullptr;
  live_bytes_ -= bytes;
  const auto kind = exec ? Event::Kind::process_exec : Event::Kind::process_exit;
  add({kind, Allocator::none, 1, ThreadId{}, SiteId{}, index(process), 0, 0, bytes, time});
}

void Matcher::drop_all() {
  processes_.clear();
  latest_memory_ = nullptr;
}

void Matcher::clear() {
  totals_.events += count_;
  count_ = 0;
}

std::uint64_t Matcher::live_bytes(ProcessId process) const {
  const std::size_t n = index(process);
  return n < processes_.size() && processes_[n] ? processes_[n]->bytes : 0;
}

std::uint64_t Matcher::live_count() const {
  std::uint64_t count = 0;
  for (const auto& memory : processes_)
    if (memory) count += memory->heap.count() + memory->mappings.live_count();
  return count;
}

Totals Matcher::totals() const {
  Totals totals = totals_;
  totals.events += count_ + unlisted_;
  totals.allocations = next_number_;
  totals.peak_bytes = peak_bytes_;
  return totals;
}

}  // namespace memray
