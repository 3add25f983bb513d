#include "capture/aggregates_codec.h"

#include "capture/block_writer.h"

namespace memray::format {
namespace {

// Where the site's size is fixed and nothing was unmapped in part, the count says it all.
std::uint64_t expected_bytes(const Definitions& definitions, std::size_t site, std::uint64_t count) {
  return definitions.site(SiteId{static_cast<std::uint32_t>(site)}).size * count;
}

void add_site_totals(BlockBuilder& block, SectionId id, const SiteTotals& totals, const Definitions& definitions) {
  ByteWriter out;
  std::size_t previous = 0;
  for (std::size_t i = 0; i < totals.size(); ++i) {
    if (totals[i].count == 0) continue;
    out.varint(i - previous);
    out.varint(totals[i].count);
    out.varint(encode_delta(totals[i].bytes, expected_bytes(definitions, i, totals[i].count)));
    previous = i;
  }
  add_sections(block, id, out.bytes());
}

bool read_site_totals(ByteReader& in, const Definitions& definitions, SiteTotals& totals) {
  totals.assign(definitions.sites(), {});
  std::uint64_t site = 0;
  while (!in.at_end()) {
    site += in.varint();
    const std::uint64_t count = in.varint();
    const std::uint64_t difference = in.varint();
    if (!in.ok() || site >= totals.size() || count == 0 || totals[site].count != 0) return false;
    totals[site] = {apply_delta(expected_bytes(definitions, site, count), difference), count};
  }
  return true;
}

void add_totals(BlockBuilder& block, const Aggregates& a) {
  ByteWriter out;
  for (const std::uint64_t number : {a.totals.events, a.totals.allocations, a.totals.deallocations,
                                     a.unknown_deallocations, a.totals.allocated_bytes, a.totals.peak_bytes,
                                     zigzag(nanoseconds(a.peak_time)), zigzag(nanoseconds(a.end)), a.restated_events})
    out.varint(number);
  block.add_section(SectionId::aggregate_totals, out.bytes());
}

bool read_totals(ByteReader& in, Aggregates& a) {
  for (std::uint64_t* const number : {&a.totals.events, &a.totals.allocations, &a.totals.deallocations,
                                      &a.unknown_deallocations, &a.totals.allocated_bytes, &a.totals.peak_bytes})
    *number = in.varint();
  a.peak_time = Time{unzigzag(in.varint())};
  a.end = Time{unzigzag(in.varint())};
  a.restated_events = in.varint();
  return in.ok();
}

}  // namespace

void write_aggregates(BlockBuilder& block, const Aggregates& a, const Definitions& definitions) {
  add_totals(block, a);
  add_site_totals(block, SectionId::peak_sites, a.peak, definitions);
  add_site_totals(block, SectionId::live_sites, a.live, definitions);
  add_site_totals(block, SectionId::kept_sites, a.kept, definitions);
  add_site_totals(block, SectionId::allocated_sites, a.allocated, definitions);
  ByteWriter sizes;
  std::uint64_t previous = 0;
  for (const auto& [size, count] : a.varying_sizes) {
    sizes.varint(size - previous);
    sizes.varint(count);
    previous = size;
  }
  add_sections(block, SectionId::varying_sizes, sizes.bytes());
}

bool read_aggregates(SectionId id, std::span<const std::byte> raw, const Definitions& definitions, Aggregates& a) {
  ByteReader in(raw);
  switch (id) {
    case SectionId::aggregate_totals:
      return read_totals(in, a);
    case SectionId::peak_sites:
      return read_site_totals(in, definitions, a.peak);
    case SectionId::live_sites:
      return read_site_totals(in, definitions, a.live);
    case SectionId::kept_sites:
      return read_site_totals(in, definitions, a.kept);
    case SectionId::allocated_sites:
      return read_site_totals(in, definitions, a.allocated);
    case SectionId::varying_sizes:
      for (std::uint64_t size = 0; !in.at_end() && in.ok();) {
        size += in.varint();
        a.varying_sizes[size] = in.varint();
      }
      return in.ok();
    default:
      return true;
  }
}

}  // namespace memray::format
