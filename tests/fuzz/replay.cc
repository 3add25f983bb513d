// What the fuzzer found, again, and a few thousand more captures damaged by fixed seeds: a test that takes seconds and
// needs no libFuzzer. Whatever is wrong ends it by a crash.
//
//   fuzz-replay [--seeds FOLDER] CORPUS... [--rounds N]     --seeds writes captures to start fuzzing from

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "seeds.h"
#include "structure.h"
#include "target.h"

namespace {

namespace fs = std::filesystem;

std::vector<std::string> read_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> contents;
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    contents.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return contents;
}

void flip(std::string& bytes, std::size_t max, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
    const std::size_t what = below(4);
    if (bytes.empty() || (what == 0 && bytes.size() < max))
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)), static_cast<char>(random()));
    else if (what == 1)
      bytes.erase(below(bytes.size()), 1 + below(4));
    else
      bytes[below(bytes.size())] = static_cast<char>(what == 2 ? random() : 0xff * below(2));
  }
}

void damage(const std::vector<std::string>& captures, unsigned rounds) {
  constexpr std::size_t kMost = 1 << 16;
  for (unsigned seed = 0; seed < rounds; ++seed) {
    std::mt19937 random(seed);
    std::string capture = captures[seed % captures.size()];
    for (unsigned steps = 1 + seed % 5; steps > 0; --steps)
      capture = memray::fuzz::mutate(capture, kMost, random,
                                     [&](std::string& bytes, std::size_t max) { flip(bytes, max, random); });
    memray::fuzz::ask_everything(capture);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> captures = memray::fuzz::seeds();
  unsigned rounds = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--rounds" && i + 1 < argc) {
      rounds = static_cast<unsigned>(std::stoul(argv[++i]));
    } else if (argument == "--seeds" && i + 1 < argc) {
      const fs::path folder = argv[++i];
      fs::create_directories(folder);
      for (std::size_t k = 0; k < captures.size(); ++k)
        std::ofstream(folder / ("seed-" + std::to_string(k)), std::ios::binary) << captures[k];
    } else {
      for (std::string& capture : read_folder(argument)) captures.push_back(std::move(capture));
    }
  }
  for (const std::string& capture : captures) memray::fuzz::ask_everything(capture);
  damage(captures, rounds);
  std::printf("%zu captures and %u damaged ones\n", captures.size(), rounds);
  return 0;
}
