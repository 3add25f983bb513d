// .eh_frame holds a frame description entry (FDE) for each function, and common information entries (CIE) that the
// FDEs refer to. .eh_frame_hdr is a table of (function, FDE), sorted, with all addresses relative to its own beginning:
// linkers write no other form.
#include "frame_description.h"

#include "bytes.h"

namespace memray::native {

namespace {

constexpr std::uint8_t kOmitted = 0xff;
constexpr std::uint8_t kRelativeTable = 0x3b;  // 32 bits, signed, relative to the header

struct TableEntry {
  std::int32_t function;
  std::int32_t description;
};

const std::uint8_t* search(const std::uint8_t* header, Word pc) {
  const Word base = reinterpret_cast<Word>(header);
  Bytes bytes(header);
  const auto version = bytes.get<std::uint8_t>();
  const auto frames_encoding = bytes.get<std::uint8_t>();
  const auto count_encoding = bytes.get<std::uint8_t>();
  const auto table_encoding = bytes.get<std::uint8_t>();
  Word ignored = 0;
  Word count = 0;
  if (version != 1 || table_encoding != kRelativeTable || count_encoding == kOmitted) return nullptr;
  if (!bytes.pointer(frames_encoding, base, ignored) || !bytes.pointer(count_encoding, base, count)) return nullptr;

  const auto entry = [&](Word i) { return Bytes(bytes.at() + i * sizeof(TableEntry)).get<TableEntry>(); };
  Word low = 0;  // the first entry that begins after pc
  for (Word high = count; low < high;) {
    const Word middle = low + (high - low) / 2;
    if (base + static_cast<Word>(std::int64_t{entry(middle).function}) <= pc) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? nullptr : header + entry(low - 1).description;
}

// The entry at `bytes`: its end, with `bytes` moved behind the length. nullptr: the terminator.
const std::uint8_t* begin_entry(Bytes& bytes) {
  std::uint64_t length = bytes.get<std::uint32_t>();
  if (length == 0xffff'ffff) length = bytes.get<std::uint64_t>();
  return length == 0 ? nullptr : bytes.at() + length;
}

bool read_common(const std::uint8_t* at, FrameDescription& to, bool& has_augmentation) {
  Bytes bytes(at);
  to.common.end = begin_entry(bytes);
  if (!to.common.end || bytes.get<std::uint32_t>() != 0) return false;
  const auto version = bytes.get<std::uint8_t>();
  if (version != 1 && version != 3) return false;
  const char* augmentation = reinterpret_cast<const char*>(bytes.at());
  while (bytes.get<char>() != '\0') {
  }
  to.code_alignment = bytes.unsigned_leb();
  to.data_alignment = bytes.signed_leb();
  to.return_address_register =
      static_cast<std::uint32_t>(version == 1 ? bytes.get<std::uint8_t>() : bytes.unsigned_leb());
  has_augmentation = *augmentation == 'z';
  if (!has_augmentation) {
    to.common.begin = bytes.at();
    return *augmentation == '\0';
  }
  const std::uint64_t size = bytes.unsigned_leb();
  to.common.begin = bytes.at() + size;
  for (const char* what = augmentation + 1; *what != '\0'; ++what) {
    Word personality = 0;
    switch (*what) {
      case 'L':
        bytes.skip(1);
        break;
      case 'P': {
        const auto encoding = bytes.get<std::uint8_t>();
        if (!bytes.pointer(encoding, 0, personality)) return false;
        break;
      }
      case 'R':
        to.pointer_encoding = bytes.get<std::uint8_t>();
        break;
      case 'S':
        to.signal_frame = true;
        break;
      case 'B':  // aarch64: return addresses are signed with the other key
        break;
      default:  // later letters may depend on what this one means; the size says where the instructions are
        return true;
    }
  }
  return true;
}

}  // namespace

bool find_frame_description(const std::uint8_t* header, Word pc, FrameDescription& found) {
  const std::uint8_t* at = search(header, pc);
  if (!at) return false;
  found = {};
  Bytes bytes(at);
  found.own.end = begin_entry(bytes);
  if (!found.own.end) return false;
  const std::uint8_t* const origin = bytes.at();
  const auto distance = bytes.get<std::uint32_t>();
  bool has_augmentation = false;
  if (distance == 0 || !read_common(origin - distance, found, has_augmentation)) return false;
  Word length = 0;
  const std::uint8_t format = found.pointer_encoding & 0x0f;
  if (!bytes.pointer(found.pointer_encoding, reinterpret_cast<Word>(header), found.begin) ||
      !bytes.pointer(format, 0, length)) {
    return false;
  }
  found.end = found.begin + length;
  if (has_augmentation) {
    const std::uint64_t size = bytes.unsigned_leb();
    bytes.skip(size);
  }
  found.own.begin = bytes.at();
  return pc >= found.begin && pc < found.end;
}

}  // namespace memray::native
