// Captures made to order, through the matcher and the encoder that real recordings go through.
#pragma once

#include <memray/aggregate_encoder.h>
#include <memray/bounded_encoder.h>
#include <memray/capture.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "capture/encoder.h"
#include "capture/matcher.h"

namespace memray::test {

class TemporaryFile {
 public:
  TemporaryFile() {
    std::string name = (std::filesystem::temp_directory_path() / "memray-test-XXXXXX").string();
    const int fd = mkstemp(name.data());
    if (fd < 0) throw std::runtime_error("mkstemp");
    close(fd);
    path_ = name;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One function call: "f", "/app/f.py", 3.
struct Call {
  std::string function;
  std::string file;
  std::uint32_t line = 1;
};

class Recording {
 public:
  Recording() {
    metadata.memray_version = "test";
    metadata.pid = 42;
    metadata.command_line = "python app.py";
    metadata.ending = {Ending::Kind::exited, 0, false};
    process = definitions.add_process({42, 1, definitions.add_string("python app.py"), Time{0}});
    thread = definitions.add_thread({process, 1, 42, definitions.add_string("MainThread")});
    metadata.main_thread = thread;
  }

  // A Python stack, outermost call first.
  StackId stack(std::initializer_list<Call> calls) {
    StackId stack = kNoStack;
    for (const Call& call : calls) {
      Frame frame;
      frame.location = {definitions.add_string(call.function), definitions.add_string(call.file), call.line};
      stack = definitions.add_stack(stack, definitions.add_frame(frame));
    }
    return stack;
  }

  RawAllocation made(std::uint64_t address, std::uint64_t size, StackId at, Allocator how = Allocator::malloc) {
    RawAllocation allocation;
    allocation.process = process;
    allocation.thread = thread;
    allocation.allocator = how;
    allocation.stack = at;
    allocation.address = address;
    allocation.size = size;
    allocation.stamp = ++clock_;
    allocation.time = now();
    return allocation;
  }
  RawDeallocation gone(std::uint64_t address, std::uint64_t length = 0, Allocator how = Allocator::free) {
    RawDeallocation deallocation;
    deallocation.process = process;
    deallocation.thread = thread;
    deallocation.allocator = how;
    deallocation.address = address;
    deallocation.length = length;
    deallocation.stamp = ++clock_;
    deallocation.time = now();
    return deallocation;
  }

  void allocate(std::uint64_t address, std::uint64_t size, StackId at, Allocator how = Allocator::malloc) {
    matcher.allocate(made(address, size, at, how));
  }
  void release(std::uint64_t address) { matcher.deallocate(gone(address)); }
  void map(std::uint64_t address, std::uint64_t size, StackId at) {
    matcher.map(made(address, size, at, Allocator::mmap));
  }
  void unmap(std::uint64_t address, std::uint64_t length) { matcher.unmap(gone(address, length, Allocator::munmap)); }

  // A millisecond passes at every call.
  Time now() const { return Time{static_cast<std::int64_t>(clock_) * 1'000'000}; }

  // Writes what happened so far and opens it.
  Capture finish(std::size_t block_bytes = 4096) {
    {
      std::ofstream file(file_.path(), std::ios::binary);
      EncoderOptions options;
      options.block_bytes = block_bytes;
      Encoder encoder(definitions, metadata, options, [&](const Block& block) { write(file, block); });
      encoder.events(matcher.events());
      for (const MemorySample& sample : samples) encoder.sample(sample);
      metadata.end = now();
      metadata.unknown_deallocations = matcher.unknown_deallocations();
      encoder.finish(metadata);
    }
    return Capture(file_.path());
  }

  // The same, with totals in place of events.
  Capture finish_aggregated() {
    {
      std::ofstream file(file_.path(), std::ios::binary);
      AggregateEncoder encoder(definitions);
      for (const Event& event : matcher.events()) encoder.events({&event, 1});
      metadata.end = now();
      encoder.write(metadata, [&](const Block& block) { write(file, block); });
    }
    return Capture(file_.path());
  }

  // The same, in a file that is folded whenever it has `max_bytes`; after each `batch` events it is looked at.
  Capture finish_bounded(std::uint64_t max_bytes, std::size_t batch = 40) {
    {
      std::ofstream file(file_.path(), std::ios::binary);
      const auto emit = [&](const Block& block) { write(file, block); };
      BoundedEncoder encoder(definitions, metadata, max_bytes, emit);
      folds = 0;
      for (std::span<const Event> rest = matcher.events(); !rest.empty();) {
        const std::size_t count = std::min(batch, rest.size());
        encoder.events(rest.first(count));
        rest = rest.subspan(count);
        if (!encoder.full()) continue;
        encoder.flush();
        file.close();
        const std::string beside = file_.path() + ".next";
        file.open(beside, std::ios::binary);
        if (const Status status = encoder.fold(file_.path(), emit); !status) throw std::runtime_error(status.message());
        std::filesystem::rename(beside, file_.path());
        ++folds;
      }
      metadata.end = now();
      metadata.unknown_deallocations = matcher.unknown_deallocations();
      encoder.finish(metadata);
    }
    return Capture(file_.path());
  }
  int folds = 0;

  Definitions definitions;
  Metadata metadata;
  Matcher matcher{definitions};
  std::vector<MemorySample> samples;
  ProcessId process;  // to which calls are put down
  ThreadId thread;

 private:
  static void write(std::ofstream& file, const Block& block) {
    file.write(reinterpret_cast<const char*>(block.bytes.data()), static_cast<std::streamsize>(block.bytes.size()));
  }

  TemporaryFile file_;
  std::uint64_t clock_ = 0;
};

}  // namespace memray::test
