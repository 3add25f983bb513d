#include "gzip.h"

#include <memray/reporter.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

namespace memray::transform {

std::string gzip(std::string_view bytes) {
  constexpr int kGzipFormat = 15 + 16;  // the largest window, and gzip's header instead of zlib's
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipFormat, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw ReportError("cannot compress the report: out of memory");
  std::string out;
  std::string buffer(std::size_t{1} << 18, '\0');
  int result = Z_OK;
  while (result == Z_OK) {
    const auto part = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(part);
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    result = deflate(&stream, part == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    bytes.remove_prefix(part - stream.avail_in);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw ReportError("cannot compress the report");
  return out;
}

}  // namespace memray::transform
