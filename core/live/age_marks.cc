#include "live/age_marks.h"

#include <algorithm>

#include "live/thinning.h"

namespace memray::live {
namespace {

constexpr std::size_t kMost = 12;
// All marks together; where there are very many sites, there are fewer marks.
constexpr std::size_t kMostBytes = std::size_t{64} << 20;

}  // namespace

void AgeMarks::mark(Time time, const SiteTotals& live) {
  marks_.push_back({time, next_, live});
  const std::size_t most = std::clamp<std::size_t>(kMostBytes / (live.size() * sizeof(SiteTotal) + 1), 3, kMost);
  while (marks_.size() > most) marks_.erase(marks_.begin() + static_cast<std::ptrdiff_t>(least_missed(marks_)));
}

void AgeMarks::add(std::span<const Event> events) {
  for (const Event& event : events) {
    switch (event.kind) {
      case Event::Kind::allocation:
        next_ = event.number + 1;
        break;
      case Event::Kind::deallocation: {
        const Mapping* const mapping = pieces_.size() == 0 ? nullptr : pieces_.find(event.number);
        release(event, mapping ? mapping->pieces : 1, 0);
        if (mapping) pieces_.erase(event.number);
        break;
      }
      case Event::Kind::partial_deallocation: {
        Mapping& mapping = pieces_[event.number];
        release(event, mapping.pieces, event.pieces);
        mapping = {event.pieces, event.site};
        break;
      }
      case Event::Kind::unknown_deallocation:
        break;
      case Event::Kind::process_exec:
      case Event::Kind::process_exit:
        end_process(event.index);
        break;
    }
  }
}

void AgeMarks::release(const Event& event, std::uint64_t count_before, std::uint64_t count_after) {
  for (std::size_t i = marks_.size(); i-- > 0 && event.number < marks_[i].first;) {
    SiteTotal& held = marks_[i].held[index(event.site)];
    held.bytes -= event.size;
    held.count += count_after;
    held.count -= count_before;
  }
}

bool AgeMarks::of_process(SiteId site, std::uint32_t process) const {
  const ThreadId thread = definitions_.site(site).thread;
  return thread != kMergedThreads && index(definitions_.thread(thread).process) == process;
}

void AgeMarks::end_process(std::uint32_t process) {
  for (Mark& mark : marks_)
    for (std::uint32_t i = 0; i < mark.held.size(); ++i)
      if (mark.held[i].count != 0 && of_process(SiteId{i}, process)) mark.held[i] = {};
  pieces_.erase_if([&](const Mapping& mapping) { return of_process(mapping.site, process); });
}

std::vector<Time> AgeMarks::times() const {
  std::vector<Time> times;
  for (const Mark& mark : marks_) times.push_back(mark.time);
  return times;
}

SiteTotals AgeMarks::older_than(Time time) const {
  for (std::size_t i = marks_.size(); i-- > 0;)
    if (marks_[i].time <= time) return marks_[i].held;
  return {};
}

}  // namespace memray::live
