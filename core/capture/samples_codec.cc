#include "capture/samples_codec.h"

#include "capture/rows.h"

namespace memray::format {
namespace {

constexpr Differences kDifferences = 0b1101;
constexpr Differences kDetailDifferences = 0b11'1111;

}  // namespace

void write_samples(ByteWriter& out, std::span<const MemorySample> samples) {
  std::vector<Row<4>> rows;
  for (const MemorySample& sample : samples)
    rows.push_back(
        {static_cast<std::uint64_t>(nanoseconds(sample.time)), index(sample.process), sample.rss, sample.heap});
  write_rows(out, 0, rows, kDifferences);
}

void write_sample_details(ByteWriter& out, std::span<const MemorySample> samples) {
  std::vector<Row<6>> rows;
  for (const MemorySample& s : samples)
    rows.push_back({s.process_heap, s.anonymous, s.mapped, s.pss, s.mappings, s.own});
  write_rows(out, 0, rows, kDetailDifferences);
}

bool read_sample_details(std::span<const std::byte> raw, std::span<MemorySample> samples) {
  auto sample = samples.begin();
  const bool sound = read_rows<6>(raw, 0, kDetailDifferences, [&](const Row<6>& row) {
    if (sample == samples.end()) return false;
    sample->process_heap = row[0];
    sample->anonymous = row[1];
    sample->mapped = row[2];
    sample->pss = row[3];
    sample->mappings = row[4];
    sample->own = row[5];
    ++sample;
    return true;
  });
  return sound && sample == samples.end();
}

bool read_samples(std::span<const std::byte> raw, std::size_t processes, std::vector<MemorySample>& samples) {
  return read_rows<4>(raw, 0, kDifferences, [&](const Row<4>& row) {
    if (row[1] >= processes) return false;
    samples.push_back(
        {Time{static_cast<std::int64_t>(row[0])}, ProcessId{static_cast<std::uint32_t>(row[1])}, row[2], row[3]});
    return true;
  });
}

}  // namespace memray::format
