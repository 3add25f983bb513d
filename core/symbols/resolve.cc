#include "symbols/resolve.h"

#include "symbols/symbol_cache.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace memray::symbols {

namespace {

// A frame's address is where the call returns to; the call is what is looked for.
constexpr std::uint64_t kIntoCall = 1;

struct Place {
  std::uint64_t offset = 0;
  std::vector<FrameId> frames;
  std::vector<Function> functions;
};

struct File {
  ModuleId module{};  // any one that it is mapped as
  std::vector<Place> places;
};

// Files with frames, those with most places first.
std::vector<File> files_of(const Definitions& definitions) {
  std::map<std::pair<StringId, StringId>, std::pair<ModuleId, std::map<std::uint64_t, std::vector<FrameId>>>> found;
  for (std::uint32_t i = 0; i < definitions.frames(); ++i) {
    const auto place = place_to_look_up(definitions, FrameId{i});
    if (!place) continue;
    const ModuleId module = definitions.frame(FrameId{i}).module;
    auto& [id, places] = found[{definitions.module(module).path, definitions.module(module).build_id}];
    id = module;
    places[*place].push_back(FrameId{i});
  }
  std::vector<File> files;
  for (auto& [key, entry] : found) {
    File& file = files.emplace_back();
    file.module = entry.first;
    for (auto& [offset, frames] : entry.second) file.places.push_back({offset, std::move(frames), {}});
  }
  std::ranges::sort(files, std::greater<>{}, [](const File& file) { return file.places.size(); });
  return files;
}

// Looks up the places of all files in threads of its own.
class Lookup {
 public:
  Lookup(const Definitions& definitions, const ModuleFiles& module_files, std::vector<File>& files)
      : definitions_(definitions), module_files_(module_files), files_(files) {
    for (const File& file : files) total_ += file.places.size();
    const std::size_t threads = std::min<std::size_t>(std::max(1u, std::thread::hardware_concurrency()), files.size());
    running_ = threads;
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }

  void wait(const std::function<void(double)>& on_progress) {
    std::unique_lock lock(mutex_);
    while (!finished_.wait_for(lock, std::chrono::milliseconds(50), [this] { return running_ == 0; })) {
      if (on_progress) on_progress(static_cast<double>(done_) / static_cast<double>(total_));
    }
    if (on_progress) on_progress(1);
  }

 private:
  void work() {
    for (std::size_t next; (next = next_file_++) < files_.size();) {
      File& file = files_[next];
      const Module& module = definitions_.module(file.module);
      const std::string path(definitions_.string(module.path)), build_id(definitions_.string(module.build_id));
      SymbolCache cache(path, build_id);
      std::optional<SymbolFile> symbols;  // opened for the first place that is not kept
      for (Place& place : file.places) {
        if (const auto* const kept = cache.find(place.offset)) {
          place.functions = *kept;
        } else {
          if (!symbols) symbols.emplace(path, build_id, module_files_.open(definitions_, file.module));
          place.functions = symbols->find(place.offset);
          cache.add(place.offset, place.functions);
        }
        ++done_;
      }
      cache.save();
    }
    const std::lock_guard lock(mutex_);
    --running_;
    finished_.notify_one();
  }

  const Definitions& definitions_;
  const ModuleFiles& module_files_;
  std::vector<File>& files_;
  std::size_t total_ = 0;
  std::atomic<std::size_t> next_file_ = 0;
  std::atomic<std::size_t> done_ = 0;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::size_t running_ = 0;
  std::vector<std::jthread> threads_;  // last: ends first
};

}  // namespace

void resolve(Definitions& definitions, const ModuleFiles& module_files,
             const std::function<void(double)>& on_progress) {
  std::vector<File> files = files_of(definitions);
  if (files.empty()) return;
  Lookup(definitions, module_files, files).wait(on_progress);
  for (const File& file : files) {
    for (const Place& place : file.places) set_locations(definitions, place.frames, place.functions);
  }
}

std::optional<std::uint64_t> place_to_look_up(const Definitions& definitions, FrameId id) {
  const Frame& frame = definitions.frame(id);
  if (frame.kind != FrameKind::native || frame.module == kNoModule) return std::nullopt;
  if (!definitions.locations(id).empty()) return std::nullopt;
  const Module& module = definitions.module(frame.module);
  return frame.address - kIntoCall - module.start + module.file_offset;
}

void set_locations(Definitions& definitions, std::span<const FrameId> frames, std::span<const Function> functions) {
  if (functions.empty()) return;
  std::vector<Location> locations;
  for (const Function& function : functions) {
    locations.push_back({definitions.add_string(function.name), definitions.add_string(function.file), function.line});
  }
  for (const FrameId frame : frames) definitions.set_locations(frame, locations);
}

}  // namespace memray::symbols
