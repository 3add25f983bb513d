#include "collector/streams.h"

#include <algorithm>

namespace memray::collector {

using session::ChunkState;

namespace {

// A thread that has been silent for so many ticks is looked up in /proc.
constexpr std::uint32_t kIdleTicks = 10;

}  // namespace

Streams::Streams(void* session, std::function<void(Stream&)> made)
    : session_(session), made_(std::move(made)), owner_(session::kMaxChunks, nullptr), touched_(session::kMaxChunks) {}

void Streams::note_positions(bool definitions) {
  auto& control = *static_cast<session::Control*>(session_);
  const std::uint32_t used = std::min(control.fresh.load(std::memory_order_acquire), session::kMaxChunks);
  for (std::uint32_t chunk = 0; chunk < used; ++chunk) {
    session::ChunkHeader& header = *session::chunk_at(session_, chunk);
    const ChunkState state = header.state.load(std::memory_order_acquire);
    if (state == ChunkState::free) continue;
    Stream* stream = owner_[chunk];
    if (!stream) {
      if ((header.thread == 0) != definitions) continue;
      const std::uint64_t key = std::uint64_t{header.image} << 32 | header.thread;
      auto [found, fresh] = by_thread_.try_emplace(key, nullptr);
      if (fresh) {
        streams_.push_back(std::make_unique<Stream>(header.image, header.thread, header.os_tid));
        found->second = streams_.back().get();
        made_(*found->second);
      }
      stream = owner_[chunk] = found->second;
      stream->pieces_[header.sequence] = {chunk, 0, 0, false};
      ++in_use_;
    } else if ((stream->thread_ == 0) != definitions) {
      continue;
    }
    const std::uint64_t committed = header.committed.load(std::memory_order_acquire);
    Stream::Piece& piece = stream->pieces_[header.sequence];
    const auto words =
        std::min(session::committed_bytes(committed), static_cast<std::uint32_t>(session::kChunkCapacity)) / 8;
    const std::uint32_t repeats = session::committed_repeats(committed);
    if (words != piece.words || repeats != piece.repeats) {
      stream->idle_ticks_ = 0;
      const std::size_t pages = (sizeof header + words * 8 + 4095) / 4096;
      if (pages > touched_[chunk]) {
        touched_pages_ += pages - touched_[chunk];
        touched_[chunk] = static_cast<std::uint8_t>(pages);
      }
    }
    piece.words = words;
    piece.repeats = repeats;
    piece.full = state == ChunkState::full;
    if (header.sequence == stream->sequence_ && stream->cursor_) {
      stream->limit_ = session::chunk_words(&header) + words;
    }
  }
}

bool Streams::next_piece(Stream& stream) {
  while (stream.cursor_ == stream.limit_) {
    auto piece = stream.pieces_.find(stream.sequence_);
    if (stream.cursor_) {  // the present piece is read as far as noted
      if (piece == stream.pieces_.end() || !piece->second.full) return false;
      give_back(piece->second.chunk);
      stream.pieces_.erase(piece);
      stream.cursor_ = stream.limit_ = nullptr;
      piece = stream.pieces_.find(++stream.sequence_);
    }
    if (piece == stream.pieces_.end()) return false;
    session::ChunkHeader& header = *session::chunk_at(session_, piece->second.chunk);
    stream.begin_ = stream.cursor_ = session::chunk_words(&header);
    stream.limit_ = stream.cursor_ + piece->second.words;
    if (piece->second.words == 0 && !piece->second.full) return false;
  }
  return true;
}

// All words are read. What is repeated behind them has not been written down yet.
bool Streams::take_repeats(Stream& stream) {
  const auto piece = stream.pieces_.find(stream.sequence_);
  if (piece == stream.pieces_.end() || piece->second.repeats <= stream.repeats_taken_) return false;
  if (!stream.begin_repeats(stream.cursor_)) return false;
  stream.repeats += piece->second.repeats - stream.repeats_taken_;
  stream.repeats_taken_ = piece->second.repeats;
  return true;
}

void Streams::give_back(std::uint32_t chunk) {
  session::ChunkHeader& header = *session::chunk_at(session_, chunk);
  owner_[chunk] = nullptr;
  --in_use_;
  header.state.store(ChunkState::free, std::memory_order_release);
  session::push_chunk(session_, chunk);
}

std::uint32_t Streams::chunks_in_use() const { return in_use_; }

void Streams::collect_dead(const std::function<bool(const Stream&)>& alive, bool thorough) {
  for (auto& stream : streams_) {
    if (stream->dead_ || stream->cursor_ != stream->limit_) continue;
    if (++stream->idle_ticks_ < (thorough ? 2 : kIdleTicks)) continue;
    stream->dead_ = !alive(*stream);
  }
  // What a dead thread committed after the last cut is read in a later tick; then its chunk goes back.
  for (auto& stream : streams_) {
    if (!stream->dead_ || stream->pieces_.size() != 1 || !stream->upcoming.empty()) continue;
    if (++stream->idle_ticks_ < kIdleTicks + 3) continue;
    const auto piece = stream->pieces_.begin();
    const auto& header = *session::chunk_at(session_, piece->second.chunk);
    const std::uint64_t committed = header.committed.load();
    const auto* end =
        session::chunk_words(const_cast<session::ChunkHeader*>(&header)) + session::committed_bytes(committed) / 8;
    if (piece->first != stream->sequence_ || stream->cursor_ != end ||
        stream->repeats_taken_ != session::committed_repeats(committed))
      continue;
    give_back(piece->second.chunk);
    stream->pieces_.clear();
    if (stream->thread_ != 0) announce_dead(*stream);
    by_thread_.erase(std::uint64_t{stream->image_} << 32 | stream->thread_);
  }
  std::erase_if(streams_, [](const auto& stream) { return stream->dead_ && stream->pieces_.empty(); });
}

void Streams::announce_dead(const Stream& stream) {
  auto& image = static_cast<session::Control*>(session_)->image[stream.image_];
  const std::uint32_t announced = image.dead_announced.load(std::memory_order_relaxed);
  if (announced - image.dead_taken.load(std::memory_order_acquire) >= session::kDeadRing) return;
  image.dead[announced % session::kDeadRing].store(stream.thread_, std::memory_order_relaxed);
  image.dead_announced.store(announced + 1, std::memory_order_release);
}

}  // namespace memray::collector
