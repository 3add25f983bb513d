// The target for libFuzzer: scripts/fuzz.sh builds and runs it.

#include <cstdint>
#include <cstring>

#include "structure.h"
#include "target.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  memray::fuzz::ask_everything({reinterpret_cast<const char*>(data), size});
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max, unsigned seed) {
  std::mt19937 random(seed);
  const auto bytes = [](std::string& text, std::size_t most) {
    const std::size_t before = text.size();
    text.resize(std::min(std::max(before * 2, std::size_t{64}), std::max(most, before)));
    text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), before, text.size()));
  };
  const std::string changed = memray::fuzz::mutate({reinterpret_cast<const char*>(data), size}, max, random, bytes);
  if (changed.size() > max) return size;
  std::memcpy(data, changed.data(), changed.size());
  return changed.size();
}
