#include "collector/thread_names.h"

#include <tuple>
#include <utility>

namespace memray::collector {

namespace {

std::uint64_t key(std::uint32_t image, std::uint32_t number) { return std::uint64_t{image} << 32 | number; }

}  // namespace

void ThreadNames::offer(Thread& thread, const Name& name) {
  if (std::tie(name.source, name.stamp) < std::tie(thread.name.source, thread.name.stamp)) return;
  thread.name = name;
  if (thread.made) definitions_->rename_thread(thread.id, name.text);
}

void ThreadNames::add(std::uint32_t image, const session::ThreadName& whose, StringId text) {
  const Name name{text, whose.source, whose.stamp};
  if (whose.number != 0) {
    offer(threads_[key(image, whose.number)], name);
  } else {
    unclaimed_[key(image, whose.os_tid)] = name;
  }
}

void ThreadNames::made(const session::Image& image, const Stream& stream) {
  Thread& thread = threads_[key(stream.image(), stream.thread())];
  thread.made = true;
  thread.id = stream.id;
  if (thread.name.text != kNoString) definitions_->rename_thread(thread.id, thread.name.text);
  if (auto found = unclaimed_.extract(key(stream.image(), stream.os_tid()))) offer(thread, found.mapped());
  if (stream.thread() != 1 || image.forked_from == 0) return;
  heirs_.emplace_back(key(stream.image(), stream.thread()), key(image.forked_from - 1, image.forking_thread));
}

void ThreadNames::inherit() {
  for (const auto& [heir, forking] : std::exchange(heirs_, {})) {
    const auto found = threads_.find(forking);
    if (found == threads_.end() || found->second.name.source == session::NameSource::system) continue;
    Name inherited = found->second.name;
    inherited.stamp = 0;  // whatever the child says is later
    offer(threads_[heir], inherited);
  }
}

}  // namespace memray::collector
