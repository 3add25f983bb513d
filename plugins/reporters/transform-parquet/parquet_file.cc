// The least that makes a good Parquet file: one row group, each column one zstd page in the PLAIN encoding, required
// values, so no levels but those of the list. Debian has no library that writes Parquet; the format's own description
// (github.com/apache/parquet-format) is enough for what is needed here.

#include "parquet_file.h"

#include <memray/reporter.h>
#include <zstd.h>

#include "thrift.h"

namespace memray::transform {
namespace {

// Numbers of parquet.thrift.
enum PhysicalType { kInt64 = 2, kByteArray = 6 };
enum Repetition { kRequired = 0, kOptional = 1, kRepeated = 2 };
enum ConvertedType { kUtf8 = 0, kList = 3 };
enum Encoding { kPlain = 0, kRle = 3 };
constexpr int kZstd = 6;
constexpr int kDataPage = 0;
constexpr std::string_view kMagic = "PAR1";

void append_u32(std::string& out, std::size_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift);
}

// Levels of one bit as runs, with their length in front.
std::string levels(const std::vector<bool>& bits) {
  std::string runs;
  for (std::size_t i = 0; i < bits.size();) {
    std::size_t end = i;
    while (end < bits.size() && bits[end] == bits[i]) ++end;
    std::size_t header = (end - i) << 1;
    for (; header >= 0x80; header >>= 7) runs += static_cast<char>(header | 0x80);
    runs += static_cast<char>(header);
    runs += static_cast<char>(bits[i]);
    i = end;
  }
  std::string out;
  append_u32(out, runs.size());
  return out + runs;
}

std::string compressed(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3);
  if (ZSTD_isError(size) != 0) throw ReportError("cannot compress the report");
  out.resize(size);
  return out;
}

ThriftStruct schema_element(std::string_view name, Repetition repetition) {
  return ThriftStruct().number(3, ThriftStruct::i32, repetition).text(4, name);
}

std::string leaf(const ParquetColumn& column) {
  const bool text = column.type() == ParquetColumn::Type::text;
  ThriftStruct element;
  element.number(1, ThriftStruct::i32, text ? kByteArray : kInt64);
  element.number(3, ThriftStruct::i32, kRequired);
  element.text(4, column.path().back());
  if (text) element.number(6, ThriftStruct::i32, kUtf8);
  return element.finished();
}

std::string group(std::string_view name, Repetition repetition, std::size_t children, bool is_list = false) {
  ThriftStruct element = schema_element(name, repetition);
  element.number(5, ThriftStruct::i32, static_cast<std::int64_t>(children));
  if (is_list) element.number(6, ThriftStruct::i32, kList);
  return element.finished();
}

// The tree of names, parents before children.
std::vector<std::string> schema(const std::vector<const ParquetColumn*>& columns) {
  std::vector<std::string> elements(1);
  std::size_t top = 0;
  for (std::size_t i = 0; i < columns.size(); ++top) {
    const std::vector<std::string>& path = columns[i]->path();
    if (!columns[i]->in_list()) {
      elements.push_back(leaf(*columns[i++]));
      continue;
    }
    std::size_t end = i;
    while (end < columns.size() && columns[end]->in_list() && columns[end]->path()[0] == path[0]) ++end;
    elements.push_back(group(path[0], kRequired, 1, true));
    elements.push_back(group(path[1], kRepeated, 1));
    elements.push_back(group(path[2], kRequired, end - i));
    for (; i < end; ++i) elements.push_back(leaf(*columns[i]));
  }
  elements[0] =
      ThriftStruct().text(4, "schema").number(5, ThriftStruct::i32, static_cast<std::int64_t>(top)).finished();
  return elements;
}

struct Written {
  std::string bytes;  // page header and page
  std::size_t unpacked = 0;
};

Written write_page(const ParquetColumn& column) {
  const std::string page = column.page();
  const std::string packed = compressed(page);
  ThriftStruct data;
  data.number(1, ThriftStruct::i32, static_cast<std::int64_t>(column.values()));
  data.number(2, ThriftStruct::i32, kPlain);
  data.number(3, ThriftStruct::i32, kRle);
  data.number(4, ThriftStruct::i32, kRle);
  ThriftStruct header;
  header.number(1, ThriftStruct::i32, kDataPage);
  header.number(2, ThriftStruct::i32, static_cast<std::int64_t>(page.size()));
  header.number(3, ThriftStruct::i32, static_cast<std::int64_t>(packed.size()));
  header.nested(5, data);
  const std::string head = header.finished();
  return {head + packed, head.size() + page.size()};
}

std::string column_chunk(const ParquetColumn& column, const Written& written, std::size_t offset) {
  const auto& path = column.path();
  ThriftStruct about;
  about.number(1, ThriftStruct::i32, column.type() == ParquetColumn::Type::text ? kByteArray : kInt64);
  about.items(2, ThriftStruct::i32, 2,
              [](std::size_t i) { return ThriftStruct::encoded(std::int64_t{i == 0 ? kPlain : kRle}); });
  about.items(3, ThriftStruct::binary, path.size(), [&](std::size_t i) { return ThriftStruct::encoded(path[i]); });
  about.number(4, ThriftStruct::i32, kZstd);
  about.number(5, ThriftStruct::i64, static_cast<std::int64_t>(column.values()));
  about.number(6, ThriftStruct::i64, static_cast<std::int64_t>(written.unpacked));
  about.number(7, ThriftStruct::i64, static_cast<std::int64_t>(written.bytes.size()));
  about.number(9, ThriftStruct::i64, static_cast<std::int64_t>(offset));
  return ThriftStruct().number(2, ThriftStruct::i64, static_cast<std::int64_t>(offset)).nested(3, about).finished();
}

}  // namespace

void ParquetColumn::add(std::int64_t value) {
  for (int shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(value >> shift);
  ++count_;
}
void ParquetColumn::add(std::string_view value) {
  append_u32(bytes_, value.size());
  bytes_ += value;
  ++count_;
}
void ParquetColumn::add_to_list(bool first, std::int64_t value) {
  repeats_.push_back(!first);
  present_.push_back(true);
  add(value);
}
void ParquetColumn::add_to_list(bool first, std::string_view value) {
  repeats_.push_back(!first);
  present_.push_back(true);
  add(value);
}
void ParquetColumn::add_empty_list() {
  repeats_.push_back(false);
  present_.push_back(false);
}

std::string ParquetColumn::page() const { return in_list() ? levels(repeats_) + levels(present_) + bytes_ : bytes_; }

void write_parquet(std::ostream& out, const std::vector<const ParquetColumn*>& columns, std::size_t rows,
                   std::string_view created_by, const std::vector<std::pair<std::string, std::string>>& metadata) {
  out << kMagic;
  std::size_t offset = kMagic.size();
  std::size_t unpacked = 0;
  std::vector<std::string> chunks;
  for (const ParquetColumn* column : columns) {
    const Written written = write_page(*column);
    chunks.push_back(column_chunk(*column, written, offset));
    out << written.bytes;
    offset += written.bytes.size();
    unpacked += written.unpacked;
  }
  ThriftStruct row_group;
  row_group.items(1, ThriftStruct::structure, chunks.size(), [&](std::size_t i) { return chunks[i]; });
  row_group.number(2, ThriftStruct::i64, static_cast<std::int64_t>(unpacked));
  row_group.number(3, ThriftStruct::i64, static_cast<std::int64_t>(rows));

  const std::vector<std::string> elements = schema(columns);
  ThriftStruct footer;
  footer.number(1, ThriftStruct::i32, 2);  // version
  footer.items(2, ThriftStruct::structure, elements.size(), [&](std::size_t i) { return elements[i]; });
  footer.number(3, ThriftStruct::i64, static_cast<std::int64_t>(rows));
  footer.items(4, ThriftStruct::structure, 1, [&](std::size_t) { return row_group.finished(); });
  footer.items(5, ThriftStruct::structure, metadata.size(), [&](std::size_t i) {
    return ThriftStruct().text(1, metadata[i].first).text(2, metadata[i].second).finished();
  });
  footer.text(6, created_by);
  const std::string bytes = footer.finished();
  std::string size;
  append_u32(size, bytes.size());
  out << bytes << size << kMagic;
}

}  // namespace memray::transform
