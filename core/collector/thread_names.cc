#include "collector/thread_names.h"

#include <utility>

namespace memray::collector {

namespace {

using session::NameSource;

constexpr std::size_t kKept = 15;  // bytes of a name by the kernel

std::uint64_t key(std::uint32_t image, std::uint32_t number) { return std::uint64_t{image} << 32 | number; }

}  // namespace

// Python tells a thread's name again when the thread ends, and Python 3.14 tells the kernel the beginning of it.
bool ThreadNames::is_new(const Thread& thread, const Name& name) const {
  if (name.source == NameSource::inherited) return thread.name.text == kNoString;
  if (name.source == NameSource::python) return name.text != thread.in_python;
  if (name.text == thread.name.text) return false;
  const std::string_view text = definitions_->string(name.text);
  return thread.name.source != NameSource::python || text.size() != kKept ||
         !definitions_->string(thread.name.text).starts_with(text);
}

void ThreadNames::take_effect(Thread& thread, const Name& name, std::optional<std::uint64_t> event) {
  if (!is_new(thread, name)) return;
  const bool from_the_beginning = !thread.made || thread.name.text == kNoString ||
                                  (thread.name.source == NameSource::inherited && name.source == NameSource::python);
  if (event && !from_the_beginning && !std::exchange(thread.renamed, true))
    definitions_->add_name_change({thread.id, thread.name.text, 0});
  thread.name = name;
  if (name.source == NameSource::python) thread.in_python = name.text;
  if (thread.renamed && event) definitions_->add_name_change({thread.id, name.text, *event});
  if (thread.made) definitions_->rename_thread(thread.id, name.text);
}

void ThreadNames::add(std::uint32_t image, const session::ThreadName& whose, StringId text) {
  const Name name{text, whose.source};
  if (whose.number == 0) {
    unclaimed_[key(image, whose.os_tid)] = name;
    return;
  }
  const std::uint64_t number = key(image, whose.number);
  told_.emplace(whose.stamp, Told{number, name});
  if (name.source != NameSource::inherited) threads_[number].latest = name;
}

void ThreadNames::apply_next(std::optional<std::uint64_t> event) {
  const Told told = told_.extract(told_.begin()).mapped();
  take_effect(threads_[told.thread], told.name, event);
}

void ThreadNames::made(const session::Image& image, const Stream& stream) {
  Thread& thread = threads_[key(stream.image(), stream.thread())];
  if (auto found = unclaimed_.extract(key(stream.image(), stream.os_tid()))) take_effect(thread, found.mapped(), {});
  thread.made = true;
  thread.id = stream.id;
  if (thread.name.text != kNoString) definitions_->rename_thread(thread.id, thread.name.text);
  if (stream.thread() != 1 || image.forked_from == 0) return;
  heirs_.emplace_back(key(stream.image(), stream.thread()), key(image.forked_from - 1, image.forking_thread));
}

void ThreadNames::inherit() {
  for (const auto& [heir, forking] : std::exchange(heirs_, {})) {
    const auto found = threads_.find(forking);
    if (found == threads_.end() || found->second.latest.text == kNoString) continue;
    take_effect(threads_[heir], found->second.latest, {});
  }
}

}  // namespace memray::collector
