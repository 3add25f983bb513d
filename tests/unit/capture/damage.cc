// Files that are not as they were written: cut off, with bytes changed, or no captures at all. What is intact is given,
// one line says what is missing, and nothing crashes (run under the address sanitizer for that to mean much).
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "capture/crc32.h"
#include "capture/event_decoder.h"
#include "capture/format.h"
#include "streams.h"

namespace memray::test {
namespace {

// Reads all that can be read. The number of events, or nothing where the file was refused.
std::optional<std::size_t> try_read(const TemporaryFile& file) {
  try {
    const Capture capture(file.path());
    const std::size_t events = all_events(capture).size();
    if (capture.damage()) {
      REQUIRE_FALSE(capture.damage()->empty());
      REQUIRE(capture.damage()->find('\n') == std::string::npos);
    } else {
      REQUIRE(events == capture.totals().events);
    }
    return events;
  } catch (const CaptureError& error) {
    REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
    return std::nullopt;
  }
}

Stream some_stream(std::size_t events) {
  Stream stream;
  StreamMaker(stream, 42).make(events);
  for (std::int64_t i = 0; i < 20; ++i) stream.samples.push_back({Time{i}, ProcessId{}, 1, 2});
  return stream;
}

std::string refusal(std::string_view bytes) {
  const TemporaryFile file(bytes);
  try {
    const Capture capture(file.path());
  } catch (const CaptureError& error) {
    return error.what();
  }
  return "accepted";
}

bool same_start(const std::vector<Event>& part, const std::vector<Event>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin(), [](auto& a, auto& b) {
           return a.kind == b.kind && a.number == b.number && a.site == b.site && a.size == b.size;
         });
}

}  // namespace

TEST_CASE("files that are no captures are refused with one line") {
  CHECK(refusal("") == "is empty");
  CHECK(refusal("x") == "is not a memray capture");
  CHECK(refusal("#!/bin/sh\necho hello, this is a script\n") == "is not a memray capture");
  CHECK(refusal(std::string(100, '\0')) == "is not a memray capture");
  CHECK(refusal("\x93MRAY") == "is cut off in its first bytes: nothing can be read");
  CHECK_THROWS_AS(Capture("/nonexistent/file"), CaptureError);
  CHECK_THROWS_AS(Capture("/tmp"), CaptureError);
  CHECK_THROWS_AS(Capture("/dev/null"), CaptureError);

  std::string later = encode(Stream{}).all;
  later[8] = 2;
  CHECK(refusal(later) == "has capture format version 2.0, this memray reads version 1");
  later[8] = 1;
  later[10] = 77;  // a later minor version is read
  CHECK(refusal(later) == "accepted");
}

TEST_CASE("a file cut off anywhere gives the blocks before") {
  const Stream stream = some_stream(5'000);
  const Bytes bytes = encode(stream, {700, true});
  REQUIRE(bytes.blocks.size() > 10);
  std::set<std::size_t> cuts;
  for (const auto& [kind, start] : bytes.blocks)
    for (const long around : {-25L, -1L, 0L, 1L, 15L, 16L, 17L, 100L})
      cuts.insert(static_cast<std::size_t>(
          std::clamp(static_cast<long>(start) + around, 1L, static_cast<long>(bytes.all.size()) - 1)));
  std::size_t most = 0;
  for (const std::size_t cut : cuts) {
    const TemporaryFile file(std::string_view(bytes.all).substr(0, cut));
    if (cut < format::kFileHeaderSize) {
      CHECK_FALSE(try_read(file));
      continue;
    }
    const Capture capture(file.path());
    CAPTURE(cut);
    CHECK(capture.damage());
    const auto events = all_events(capture);
    CHECK(events.size() >= most);
    CHECK(events.size() == capture.totals().events);
    CHECK(same_start(events, stream.events));
    most = events.size();
  }
  CHECK(most == stream.events.size());
}

TEST_CASE("without index everything is still there") {
  const Stream stream = some_stream(5'000);
  Bytes bytes = encode(stream, {700, true});
  const auto start_of = [&](BlockKind kind) {
    return std::find_if(bytes.blocks.begin(), bytes.blocks.end(), [&](auto& b) { return b.first == kind; })->second;
  };
  SECTION("cut off") { bytes.all.resize(start_of(BlockKind::index)); }
  SECTION("its contents damaged") { bytes.all[start_of(BlockKind::index) + 40] ^= 1; }
  SECTION("its header damaged") { bytes.all[start_of(BlockKind::index) + 5] ^= 1; }
  SECTION("the tail damaged") { bytes.all[bytes.all.size() - 20] ^= 1; }
  SECTION("something appended") { bytes.all += "trailing garbage"; }
  const TemporaryFile file(bytes.all);
  const Capture capture(file.path());
  CHECK(capture.damage());
  CHECK(same_start(all_events(capture), stream.events));
  CHECK(capture.totals().events == stream.events.size());
  CHECK(capture.memory_samples().size() == 20);
}

TEST_CASE("a changed byte never crashes the reader, and is noticed where it costs anything") {
  const bool compress = GENERATE(true, false);
  const Stream stream = some_stream(1'500);
  const Bytes bytes = encode(stream, {400, compress});
  std::mt19937 random(1);
  for (std::size_t i = 0; i < 2'500; ++i) {
    const std::size_t position = i < 400 ? i : random() % bytes.all.size();
    std::string changed = bytes.all;
    changed[position] = static_cast<char>(changed[position] ^ (1u << random() % 8));
    const TemporaryFile file(changed);
    CAPTURE(position);
    const auto events = try_read(file);
    // The version, and the reserved bytes behind it, are all that no checksum covers.
    if (!events || (position >= 8 && position < 16)) continue;
    const Capture capture(file.path());
    // A damaged header does no harm while the index has a copy of it.
    CHECK((capture.damage() || *events == stream.events.size()));
    CHECK(same_start(all_events(capture), stream.events));
  }
}

// With checksums made right again, so that the decoders themselves see what is wrong.
TEST_CASE("a changed byte behind valid checksums never crashes the reader") {
  const Stream stream = some_stream(1'500);
  const Bytes bytes = encode(stream, {400, false});
  std::mt19937 random(2);
  const auto put32 = [](std::string& s, std::size_t at, std::uint32_t value) { std::memcpy(&s[at], &value, 4); };
  const auto span_of = [](const std::string& s, std::size_t at, std::size_t size) {
    return std::as_bytes(std::span(s).subspan(at, size));
  };
  for (int i = 0; i < 4'000; ++i) {
    std::string changed = bytes.all;
    auto [kind, start] = bytes.blocks[random() % bytes.blocks.size()];
    if (kind == BlockKind::header) start += format::kFileHeaderSize;
    const auto header = format::parse_block_header(span_of(changed, start, changed.size() - start));
    REQUIRE(header);
    for (std::size_t changes = 1 + random() % 3; changes > 0; --changes) {
      const bool in_header = random() % 3 == 0;
      const std::size_t from = in_header ? start + format::kBlockHeaderSize : start + header->header_size;
      const std::size_t size = in_header ? header->header_size - format::kBlockHeaderSize : header->payload_size;
      if (size == 0) continue;
      const std::size_t at = from + random() % size;
      changed[at] = static_cast<char>(random() % 2 == 0 ? random() : 0xff);
    }
    std::size_t at = start + header->header_size;
    for (std::size_t n = 0; n < header->sections.size(); ++n) {
      put32(changed, start + format::kBlockHeaderSize + n * format::kSectionEntrySize + 12,
            format::crc32(span_of(changed, at, header->sections[n].stored_size)));
      at += header->sections[n].stored_size;
    }
    put32(changed, start + 12, 0);
    put32(changed, start + 12, format::crc32(span_of(changed, start, header->header_size)));
    try_read(TemporaryFile(changed));
    // The index has a copy of the header as it was; without it the header is read.
    const auto index = std::find_if(bytes.blocks.begin(), bytes.blocks.end(),
                                    [](const auto& b) { return b.first == BlockKind::index; });
    try_read(TemporaryFile(std::string_view(changed).substr(0, index->second)));
  }
}

TEST_CASE("passes over a damaged file agree with each other") {
  const Stream stream = some_stream(5'000);
  Bytes bytes = encode(stream, {700, true});
  bytes.all[bytes.blocks[bytes.blocks.size() / 2].second + 300] ^= 1;
  const TemporaryFile file(bytes.all);
  const Capture capture(file.path());
  REQUIRE(capture.damage());
  const std::string first_damage = *capture.damage();
  CHECK(all_events(capture).size() == all_events(capture, Columns::none).size());
  CHECK(all_events(capture).size() == capture.totals().events);
  CHECK(*capture.damage() == first_damage);
  CHECK(capture.metadata().ending.kind == Ending::Kind::signalled);  // the trailer is intact
}

TEST_CASE("crc32 is that of zlib") {
  const std::string_view text = "123456789";
  CHECK(format::crc32(std::as_bytes(std::span(text))) == 0xcbf4'3926);
  CHECK(format::crc32({}) == 0);
  const std::string long_text(1000, 'a');
  const auto bytes = std::as_bytes(std::span(long_text));
  for (std::size_t cut : {0, 1, 7, 8, 9, 500, 1000})
    CHECK(format::crc32(bytes.subspan(cut), format::crc32(bytes.first(cut))) == format::crc32(bytes));
}

TEST_CASE("reading takes memory for what is live, not for what was allocated") {
  format::AllocationWindow window;
  const auto survives = [](std::uint64_t i) { return i % 10'000 == 0; };
  for (std::uint64_t i = 0; i < 3'000'000; ++i) {
    window.prepare(1);
    window.append({i, i * 2, 1});
    if (i >= 100 && !survives(i - 100)) window.erase(i - 100);
  }
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i + 100 < 3'000'000; ++i) {
    const auto* const found = window.find(i);
    wrong += (found != nullptr) != survives(i) || (found != nullptr && found->address != i);
  }
  CHECK(wrong == 0);
  CHECK(window.footprint() < 2'000'000);
}

}  // namespace memray::test
