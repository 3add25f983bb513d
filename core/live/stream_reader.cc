#include "live/stream_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "capture/capture_state.h"

namespace memray::live {

using namespace format;

StreamReader::StreamReader(StreamListener& listener, Columns columns) : listener_(listener), columns_(columns) {}
StreamReader::~StreamReader() = default;

void StreamReader::feed(std::span<const std::byte> bytes) {
  const bool whole = rest_.empty();
  if (!whole) rest_.insert(rest_.end(), bytes.begin(), bytes.end());
  const std::span<const std::byte> all = whole ? bytes : std::span<const std::byte>(rest_);
  std::size_t done = 0;
  while (!ended_) {
    const std::size_t taken = take(all.subspan(done));
    if (taken == 0) break;
    listener_.bytes(all.subspan(done, taken));
    done += taken;
    position_ += taken;
  }
  if (ended_) {  // a file has its tail there
    listener_.bytes(all.subspan(done));
    done = all.size();
  }
  if (whole)
    rest_.assign(all.begin() + static_cast<std::ptrdiff_t>(done), all.end());
  else
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(done));
}

// How many of these are dealt with: a file header, a block, or, where they are not complete, none.
std::size_t StreamReader::take(std::span<const std::byte> bytes) {
  if (bytes.size() < kFileHeaderSize) return 0;
  if (!capture_ || std::memcmp(bytes.data(), kSignature.data(), kSignature.size()) == 0) {
    begin(bytes.first(kFileHeaderSize));
    return kFileHeaderSize;
  }
  const auto damaged = [&] {
    return CaptureError("is damaged after " + std::to_string(position_) + " bytes: what came after that is not shown");
  };
  const std::size_t header_size = block_header_size(bytes.first(kBlockHeaderSize));
  if (header_size == 0) throw damaged();
  if (bytes.size() < header_size) return 0;
  auto header = parse_block_header(bytes);
  if (!header) throw damaged();
  const BlockPlace block{0, std::move(*header)};
  if (bytes.size() < block.end()) return 0;
  state().file.show(bytes.first(block.end()));
  const bool sound = read_block(block);
  state().file.show({});
  if (!sound) throw damaged();
  return block.end();
}

void StreamReader::begin(std::span<const std::byte> file_header) {
  auto fresh = std::make_unique<Capture::State>();
  fresh->file.show(file_header);
  fresh->check_file_header();
  Capture next(std::move(fresh));
  listener_.begin(next);
  decoder_.reset();
  capture_.emplace(std::move(next));
  decoder_.emplace(capture_->definitions(), columns_);
  latest_ = {};
}

bool StreamReader::read_block(const BlockPlace& block) {
  switch (block.header.kind) {
    case BlockKind::trailer:
      ended_ = true;
      return state().load_metadata(block);
    case BlockKind::events:
      return read_events(block);
    case BlockKind::index:
      return true;
    case BlockKind::aggregates:
      if (!state().load_block(block)) return false;
      latest_ = std::max(latest_, state().aggregates->end);
      listener_.before(*state().aggregates);
      return true;
    default:
      break;
  }
  if (!state().load_block(block)) return false;
  state().objects_blocks.clear();
  for (const MemorySample& sample : state().samples) {
    latest_ = std::max(latest_, sample.time);
    listener_.sample(sample);
  }
  state().samples.clear();
  return true;
}

bool StreamReader::read_events(const BlockPlace& block) {
  if (!state().load_block(block)) return false;
  state().events_blocks.clear();
  if (!state().read_events(block, columns_, sections_) || !decoder_->begin(block.header.summary, sections_))
    return false;
  for (;;) {
    batch_.clear();
    const bool sound = decoder_->next(batch_);
    if (!batch_.empty()) listener_.events(batch_);
    if (!sound) return false;
    if (batch_.empty()) break;
  }
  latest_ = std::max(latest_, Time{block.header.summary.last_time});
  return true;
}

}  // namespace memray::live
