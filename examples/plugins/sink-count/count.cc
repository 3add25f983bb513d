// memray run --sink=count[:FILE]: writes no capture, only how much was allocated, to FILE or standard error.
//
// A sink outside memray's source tree. It asks for matched events instead of blocks of the capture format, so it needs
// to know nothing of how captures are stored.
#include <memray/sink.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

namespace {

class Count final : public memray::Sink {
 public:
  Input input() const override { return Input::events; }

  memray::Status open(const memray::SinkConfig& config) override {
    destination_ = config.arguments;
    if (destination_.empty()) return {};
    file_.reset(std::fopen(destination_.c_str(), "we"));
    return file_ ? memray::Status() : memray::Status::error(destination_ + ": " + std::strerror(errno));
  }

  std::string destination() const override { return destination_; }

  memray::Status events(std::span<const memray::Event> events, const memray::Definitions&) override {
    for (const auto& event : events) {
      if (event.kind == memray::Event::Kind::deallocation) ++deallocations_;
      if (event.kind != memray::Event::Kind::allocation) continue;
      ++allocations_;
      bytes_ += event.size;
    }
    return {};
  }

  memray::Status finish(const memray::Metadata&, bool abandoned) override {
    if (abandoned) {
      if (file_) std::remove(destination_.c_str());
      return {};
    }
    std::fprintf(file_ ? file_.get() : stderr, "allocations %llu\ndeallocations %llu\nbytes %llu\n", allocations_,
                 deallocations_, bytes_);
    return {};
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string destination_;
  std::unique_ptr<std::FILE, Close> file_;
  unsigned long long allocations_ = 0, deallocations_ = 0, bytes_ = 0;
};

}  // namespace

MEMRAY_SINK(Count, "count", "Counts allocations, frees and bytes", "1.0")
