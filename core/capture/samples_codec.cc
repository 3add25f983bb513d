#include "capture/samples_codec.h"

namespace memray::format {

void write_samples(ByteWriter& out, std::span<const MemorySample> samples) {
  MemorySample previous;
  for (const MemorySample& sample : samples) {
    out.varint(encode_delta(static_cast<std::uint64_t>(nanoseconds(sample.time)),
                            static_cast<std::uint64_t>(nanoseconds(previous.time))));
    out.varint(index(sample.process));
    out.varint(encode_delta(sample.rss, previous.rss));
    out.varint(encode_delta(sample.heap, previous.heap));
    previous = sample;
  }
}

bool read_samples(std::span<const std::byte> raw, std::size_t processes, std::vector<MemorySample>& samples) {
  ByteReader in(raw);
  MemorySample sample;
  while (!in.at_end()) {
    const std::uint64_t time = apply_delta(static_cast<std::uint64_t>(nanoseconds(sample.time)), in.varint());
    sample.time = Time{static_cast<std::int64_t>(time)};
    sample.process = ProcessId{in.varint32()};
    sample.rss = apply_delta(sample.rss, in.varint());
    sample.heap = apply_delta(sample.heap, in.varint());
    if (!in.ok() || index(sample.process) >= processes) return false;
    samples.push_back(sample);
  }
  return true;
}

}  // namespace memray::format
