// The truth about line tables is in the interpreters that write them: every one found on this machine is asked, by
// line_tables.py, for the lines of all instructions of some hundred functions.
#include "collector/line_table.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using memray::kBeforeFirstInstruction;
using memray::line_of;
using Bytes = std::vector<std::uint8_t>;

namespace {

std::set<fs::path> interpreters() {
  std::set<fs::path> found;
  const auto consider = [&](const fs::path& folder) {
    for (int minor = 9; minor <= 19; ++minor) {
      const fs::path python = folder / ("python3." + std::to_string(minor));
      if (fs::exists(python)) found.insert(fs::canonical(python));
    }
  };
  consider("/usr/bin");
  consider("/usr/local/bin");
  const char* root = std::getenv("PYENV_ROOT");
  const char* home = std::getenv("HOME");
  const fs::path pyenv = root ? fs::path(root) : fs::path(home ? home : "") / ".pyenv";
  std::error_code none;
  for (const auto& version : fs::directory_iterator(pyenv / "versions", none)) consider(version.path() / "bin");
  return found;
}

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string output;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe.get())) output.append(buffer, n);
  return output;
}

Bytes from_hexadecimal(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace

TEST_CASE("lines are those that the interpreter gives") {
  const auto found = interpreters();
  if (found.empty()) WARN("no Python found to compare with");
  for (const fs::path& python : found) {
    INFO(python);
    std::istringstream input(output_of(python.string() + " -I " LINE_TABLES_SCRIPT));
    std::string word;
    memray_line_table kind{};
    std::uint32_t first_line = 0;
    Bytes table;
    std::size_t compared = 0, wrong = 0;
    std::string first_wrong;
    while (input >> word) {
      if (word == "code") {
        int number;
        input >> number >> first_line >> word;
        kind = static_cast<memray_line_table>(number);
        table = from_hexadecimal(word);
        continue;
      }
      std::uint32_t offset, line;
      input >> offset >> line;
      ++compared;
      if (const std::uint32_t got = line_of(kind, table, first_line, offset); got != line && wrong++ == 0) {
        first_wrong = "line " + std::to_string(line) + " at " + std::to_string(offset) + ", got " + std::to_string(got);
      }
    }
    INFO(first_wrong);
    CHECK(compared > 10'000);
    CHECK(wrong == 0);
  }
}

TEST_CASE("before the first instruction is the first line") {
  CHECK(line_of(MEMRAY_LINES_LNOTAB, {}, 7, kBeforeFirstInstruction) == 7);
  CHECK(line_of(MEMRAY_LINES_LOCATIONS, {}, 7, kBeforeFirstInstruction) == 7);
}

TEST_CASE("what a table does not cover has no line") {
  CHECK(line_of(MEMRAY_LINES_NONE, {}, 7, 0) == 0);
  CHECK(line_of(MEMRAY_LINES_PEP626, {}, 7, 0) == 0);
  CHECK(line_of(MEMRAY_LINES_LOCATIONS, {}, 7, 0) == 0);
  CHECK(line_of(MEMRAY_LINES_LNOTAB, {}, 7, 100) == 7);  // an empty co_lnotab: all on the first line
  CHECK(line_of(MEMRAY_LINES_PEP626, Bytes{4, 1, 4, 0x80, 2, 1}, 7, 0) == 8);
  CHECK(line_of(MEMRAY_LINES_PEP626, Bytes{4, 1, 4, 0x80, 2, 1}, 7, 6) == 0);
  CHECK(line_of(MEMRAY_LINES_PEP626, Bytes{4, 1, 4, 0x80, 2, 1}, 7, 8) == 9);
  CHECK(line_of(MEMRAY_LINES_PEP626, Bytes{4, 1, 4, 0x80, 2, 1}, 7, 10) == 0);
}

TEST_CASE("garbage is survived") {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    Bytes table(random() % 64);
    for (auto& byte : table) byte = static_cast<std::uint8_t>(random() % 4 == 0 ? 0xff : random());
    const auto kind = static_cast<memray_line_table>(random() % 5);
    const auto first_line = static_cast<std::uint32_t>(random() % 3 == 0 ? random() : random() % 100);
    line_of(kind, table, first_line, static_cast<std::uint32_t>(random() % 3 == 0 ? random() : random() % 100));
  }
}
