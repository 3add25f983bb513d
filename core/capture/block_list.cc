#include "capture/block_list.h"

#include <fcntl.h>
#include <memray/capture.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace memray::format {
namespace {

std::optional<BlockPlace> block_at(const File& file, std::uint64_t offset) {
  ByteWriter buffer;
  auto header = parse_block_header(file.read(offset, kMaxHeaderSize, buffer));
  if (!header) return std::nullopt;
  BlockPlace place{offset, std::move(*header)};
  if (place.end() > file.size()) return std::nullopt;
  return place;
}

bool read_index(const File& file, const BlockPlace& block, BlockList& list) {
  ByteWriter stored, raw, all;
  std::uint64_t offset = block.offset + block.header.header_size;
  for (const SectionEntry& entry : block.header.sections) {
    const auto bytes = file.read(offset, entry.stored_size, stored);
    if (!unpack_section(entry, bytes, raw)) return false;
    if (entry.id == SectionId::index) all.raw(raw.bytes().data(), raw.size());
    offset += entry.stored_size;
  }
  ByteReader in(all.bytes());
  std::uint64_t end = kFileHeaderSize;
  while (!in.at_end()) {
    const std::uint64_t at = in.u64();
    const auto rest = all.bytes().last(in.remaining());
    auto header = parse_block_header(rest);
    if (!in.ok() || !header || at != end) return false;
    in.raw(header->header_size);
    list.blocks.push_back({at, std::move(*header)});
    end = list.blocks.back().end();
    if (end > block.offset) return false;
  }
  return end == block.offset;
}

// From header to header, to the trailer, behind the index, or to what is no block. Returns where it stopped.
std::uint64_t walk(const File& file, BlockList& list) {
  list.blocks.clear();
  std::uint64_t offset = kFileHeaderSize;
  while (offset < file.size()) {
    auto place = block_at(file, offset);
    if (!place) break;
    if (place->header.kind == BlockKind::trailer) list.trailer = *place;
    if (place->header.kind == BlockKind::trailer) break;
    offset = place->end();
    if (place->header.kind == BlockKind::index) break;
    list.blocks.push_back(std::move(*place));
  }
  return offset;
}

bool list_by_index(const File& file, BlockList& list) {
  ByteWriter buffer;
  if (file.size() < kFileHeaderSize + kTailSize) return false;
  const auto tail = parse_tail(file.read(file.size() - kTailSize, kTailSize, buffer));
  if (!tail) return false;
  auto trailer = block_at(file, tail->trailer_offset);
  if (!trailer || trailer->header.kind != BlockKind::trailer) return false;
  list.trailer = std::move(trailer);
  if (tail->index_offset == 0) return walk(file, list) == tail->trailer_offset;
  const auto index = block_at(file, tail->index_offset);
  return index && index->header.kind == BlockKind::index && read_index(file, *index, list);
}

std::string position_text(const File& file, std::uint64_t offset) {
  return std::to_string(offset) + " of " + std::to_string(file.size()) + " bytes";
}

void list_by_scan(const File& file, BlockList& list) {
  const std::uint64_t offset = walk(file, list);
  if (list.trailer) {
    list.damage = "the index is damaged; what could be read ends at " + position_text(file, offset);
  } else if (offset >= file.size()) {
    list.damage = "the recording was not finished; all " + std::to_string(file.size()) + " bytes are readable";
  } else {
    list.damage = "the file is cut off or damaged after " + position_text(file, offset);
  }
}

}  // namespace

File::File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_ < 0) throw CaptureError(std::string("cannot be opened: ") + std::strerror(errno));
  struct stat info {};
  std::string problem;
  if (::fstat(fd_, &info) != 0) {
    problem = std::string("cannot be read: ") + std::strerror(errno);
  } else if (S_ISDIR(info.st_mode)) {
    problem = "is a folder, not a capture";
  } else if (!S_ISREG(info.st_mode)) {
    problem = "is not a regular file";
  }
  if (!problem.empty()) {
    ::close(fd_);
    throw CaptureError(problem);
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

std::span<const std::byte> File::read(std::uint64_t offset, std::size_t count, ByteWriter& buffer) const {
  buffer.clear();
  if (offset >= size_) return {};
  count = static_cast<std::size_t>(std::min<std::uint64_t>(count, size_ - offset));
  if (fd_ < 0) return memory_.subspan(offset, count);
  std::byte* const out = buffer.prepare(count);
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = ::pread(fd_, out + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  buffer.commit(done);
  return buffer.bytes();
}

BlockList list_blocks(const File& file) {
  BlockList list;
  if (!list_by_index(file, list)) list_by_scan(file, list);
  return list;
}

}  // namespace memray::format
