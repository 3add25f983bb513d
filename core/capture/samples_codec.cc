#include "capture/samples_codec.h"

#include "capture/rows.h"

namespace memray::format {
namespace {

constexpr Differences kDifferences = 0b1101;

}  // namespace

void write_samples(ByteWriter& out, std::span<const MemorySample> samples) {
  std::vector<Row<4>> rows;
  for (const MemorySample& sample : samples)
    rows.push_back(
        {static_cast<std::uint64_t>(nanoseconds(sample.time)), index(sample.process), sample.rss, sample.heap});
  write_rows(out, 0, rows, kDifferences);
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
