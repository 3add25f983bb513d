#include "collector/collector.h"

#include "symbols/resolve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <new>

namespace memray::collector {

namespace {

constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

// Stamps may be taken by the processor some instructions early. A cut ignores what is younger than this many ticks
// (about a microsecond) so that the rule of `Streams` holds for them as well.
constexpr std::uint64_t kStampSlack = 4096;

// Small blocks compress badly.
constexpr std::size_t kWorthABlock = std::size_t{64} << 10;

std::uint8_t item_of(std::uint64_t word) { return static_cast<std::uint8_t>(word); }

}  // namespace

Collector::Collector(Session& session, Sink& sink, const Metadata& metadata)
    : session_(session),
      sink_(sink),
      metadata_(metadata),
      matcher_(definitions_),
      thread_names_(definitions_),
      streams_(session.base(), [this](Stream& stream) {
        if (stream.thread() == 0) return;
        find_images();
        if (stream.image() >= images_.size()) return;
        const Image& image = images_[stream.image()];
        stream.id = definitions_.add_thread({image.process(), stream.thread(), stream.os_tid(), kNoString});
        thread_names_.made(session_.control().image[stream.image()], stream);
        const auto& control = session_.control();
        const std::uint32_t main = control.main_tid != 0 ? control.main_tid : control.target_pid;
        if (stream.os_tid() == main && index(metadata_.main_thread) == 0) {
          metadata_.main_thread = stream.id;
          metadata_changed_ = true;
        }
      }) {
  metadata_.start_time_ns = clock_.start_realtime_ns();
  module_setting_.own_files = session_.preloaded();
  module_setting_.first_mapped = [this](ModuleId module) {
    module_files_.keep(definitions_, module);
    if (!std::exchange(metadata_.native_traces, true)) metadata_changed_ = true;
  };
  if (sink_.input() == Sink::Input::blocks) {
    encoder_ = std::make_unique<Encoder>(definitions_, metadata_, EncoderOptions{},
                                         [this](const Block& block) { receive(block); });
    writer_ = &encoder_->writer();
  } else {
    sink_status_ = sink_.describe(metadata_, definitions_);
  }
}

bool Collector::drain(bool last) try {
  return out_of_memory_ ? discard() : collect(last);
} catch (const std::bad_alloc&) {
  give_up();
  return true;
}

// What is written is a capture that was cut short, as if this process had been killed; but it lives on, so that the
// program finds room for its events and never waits.
void Collector::give_up() {
  if (std::exchange(out_of_memory_, true)) return;
  sink_status_ =
      Status::error(fmt::format("no memory left to tell the program's {} live blocks", matcher_.live_count()));
  matcher_.drop_all();
}

bool Collector::discard() {
  streams_.note_positions(false);
  streams_.note_positions(true);
  for (auto& stream : streams_.all()) {
    stream->upcoming.clear();
    while (streams_.advance(*stream)) stream->consume(stream->readable());
  }
  if (session_.control().waiters.load(std::memory_order_acquire) != 0) session_.wake_waiters();
  return streams_.chunks_in_use() > session::kBaseChunks / 4;
}

bool Collector::collect(bool last) {
  // Looked for first: what they committed is in the cut then, and the images that their exec made are known. One that
  // is announced but not described yet hides those behind it: who is gone, and how, is looked at again next time.
  std::vector<Image*> gone;
  for (Image& image : images_) {
    if (!image.ended && image.probe.gone()) gone.push_back(&image);
  }
  if (!find_images()) gone.clear();
  session_.control().tick.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t now = session_.now();
  clock_.adjust(now);
  streams_.note_positions(false);
  streams_.note_positions(true);
  const bool busy = streams_.chunks_in_use() > session::kBaseChunks / 4;
  read_definitions();
  thread_names_.inherit();
  const std::uint64_t watermark = last ? kForever : now < kStampSlack ? 0 : now - kStampSlack;
  while (thread_names_.waiting() && thread_names_.next() <= watermark) {
    if (thread_names_.next() != 0) merge(thread_names_.next() - 1);
    thread_names_.apply_next(writer_ ? std::optional(writer_->next_event()) : std::nullopt);
  }
  merge(watermark);
  if (!last) end_gone(gone, clock_.time_of(now));

  auto& control = session_.control();
  if (control.waiters.load(std::memory_order_acquire) != 0) session_.wake_waiters();
  if (!last && !images_.empty()) {
    const auto threads = static_cast<std::uint32_t>(streams_.all().size());
    control.limit.store(std::min(session::kMaxChunks, session::kBaseChunks + threads * session::kChunksPerThread));
    streams_.collect_dead([this](const Stream& stream) { return thread_alive(stream); },
                          streams_.chunks_in_use() > session::kBaseChunks / 2);
  }
  if (std::exchange(metadata_changed_, false)) describe();
  if (sink_.watched()) early_names_.step(definitions_, module_files_);
  if (sink_status_.ok()) sink_status_ = sink_.tick();
  return busy;
}

// The process that an image is of. 0: it is about to say. One that was killed before it could has not said more.
static std::uint32_t process_of(const session::Image& image) {
  if (const std::uint32_t pid = image.pid.load(std::memory_order_acquire)) return pid;
  const std::uint32_t claimed = image.claimed.load(std::memory_order_acquire);
  if (claimed == 0 || !ProcessProbe(claimed).gone()) return 0;
  const std::uint32_t pid = image.pid.load(std::memory_order_acquire);  // it may have said so just before
  return pid != 0 ? pid : claimed;
}

// False if one is announced that is not described yet.
bool Collector::find_images() {
  const auto& control = session_.control();
  const std::uint32_t count = std::min(control.images.load(std::memory_order_acquire), session::kMaxImages);
  while (images_.size() < count) {
    const auto number = static_cast<std::uint32_t>(images_.size());
    const session::Image& shared = control.image[number];
    std::uint32_t pid = process_of(shared);
    if (pid == 0) return false;
    if (number == 0 && control.attached != 0) pid = control.target_pid;  // may have another number there
    const std::string command = number == 0 ? metadata_.command_line : shared.command;
    const std::uint64_t start = shared.start_stamp != 0 ? shared.start_stamp : session_.now();
    const ProcessId process =
        definitions_.add_process({pid, shared.parent_pid, definitions_.add_string(command), clock_.time_of(start)});
    const std::uint32_t fork_of = shared.forked_from;
    Image* const parent = fork_of != 0 && fork_of <= number ? &images_[fork_of - 1] : nullptr;
    Image* predecessor = nullptr;
    for (Image& earlier : images_) {
      if (!parent && earlier.pid() == pid && !earlier.ended) predecessor = &earlier;
    }
    Image& image = images_.emplace_back(number, pid, process, parent, definitions_, module_setting_);
    image.sampler.look_early(image.probe);
    image.predecessor = predecessor;
    if (predecessor) predecessor->replaced = true;
  }
  return true;
}

void Collector::end_gone(const std::vector<Image*>& gone, Time time) {
  for (Image* image : gone) {
    // The program itself is waited for by others, who know how it ended.
    if (image->pid() == session_.control().target_pid || image->ended) continue;
    end_image(*image, image->replaced || image->executing, time);
  }
  hand_over();
}

bool Collector::thread_alive(const Stream& stream) const {
  if (stream.image() >= images_.size()) return true;
  const Image& image = images_[stream.image()];
  if (image.ended || stream.thread() == 0) return !image.ended;
  // Threads have the numbers of the program's own namespace, and so has its /proc.
  const std::uint32_t pid_there = session_.control().image[stream.image()].pid.load();
  const std::string root = pid_there == image.pid() ? "" : fmt::format("/proc/{}/root", image.pid());
  return access(fmt::format("{}/proc/{}/task/{}", root, pid_there, stream.os_tid()).c_str(), F_OK) == 0;
}

void Collector::read_definitions() {
  for (auto& stream : streams_.all()) {
    if (stream->thread() != 0 || stream->image() >= images_.size()) continue;
    Image& image = images_[stream->image()];
    while (streams_.advance(*stream)) {
      const std::span<const std::uint64_t> words(stream->words(), stream->readable());
      const std::uint64_t head = words[0];
      const std::size_t bytes = static_cast<std::uint32_t>(head >> 16);
      const std::size_t size = 1 + (bytes + 7) / 8;
      if (item_of(head) != session::kDefinition || size > words.size()) {
        stream->consume(words.size());
        damaged_ = true;
        continue;
      }
      const auto part = std::as_bytes(words.subspan(1)).first(bytes);
      stream->definition.insert(stream->definition.end(), part.begin(), part.end());
      stream->consume(size);
      if ((head >> 8 & 0xff) == 0) continue;
      image.define(stream->definition);
      stream->definition.clear();
    }
    for (auto& [key, value] : image.facts) {
      if (key == "python_version") {
        metadata_.python_version = value;
      } else if (key == "python_allocator") {
        metadata_.python_allocator = value;
      } else if (key == "native_traces") {
        metadata_.native_traces = true;
      } else if (key == "trace_python_allocators") {
        metadata_.trace_python_allocators = true;
      } else {
        std::erase_if(metadata_.extra, [&key = key](const auto& entry) { return entry.first == key; });
        metadata_.extra.emplace_back(key, value);
      }
      metadata_changed_ = true;
    }
    image.facts.clear();
    for (const auto& [whose, name] : image.thread_names) thread_names_.add(image.number(), whose, name);
    image.thread_names.clear();
    for (const std::string& warning : image.warnings) {
      if (on_warning) on_warning(warning);
    }
    image.warnings.clear();
  }
}

void Collector::end_image(Image& image, bool exec, Time time) {
  image.ended = true;
  matcher_.process_ended(image.process(), exec, time);
  objects_.process_ended(image.process());
}

void Collector::hand_over() {
  if (encoder_ && sink_status_.ok() && !objects_.events().empty()) encoder_->objects(objects_.events());
  objects_.clear();
  const auto events = matcher_.events();
  if (events.empty()) return;
  if (sink_status_.ok()) {
    if (encoder_) {
      encoder_->events(events);
    } else {
      sink_status_ = sink_.events(events, definitions_);
    }
  }
  matcher_.clear();
}

void Collector::describe() {
  if (encoder_) {
    encoder_->update_metadata(metadata_);
  } else if (sink_status_.ok()) {
    sink_status_ = sink_.describe(metadata_, definitions_);
  }
}

void Collector::receive(const Block& block) {
  if (sink_status_.ok()) sink_status_ = sink_.write(block);
}

bool Collector::recording() const {
  return std::ranges::any_of(images_, [](const Image& image) { return image.recording(); });
}

bool Collector::executing() const {
  return std::ranges::any_of(images_, [](const Image& image) { return image.executing && !image.replaced; });
}

void Collector::reset_peak() {
  matcher_.reset_peak();
  const auto time = std::to_string(nanoseconds(clock_.time_of(session_.now())));
  std::erase_if(metadata_.extra, [](const auto& entry) { return entry.first == "peak_reset_ns"; });
  metadata_.extra.emplace_back("peak_reset_ns", time);
  metadata_changed_ = true;
}

bool Collector::started() const {
  return std::ranges::any_of(images_, [](const Image& image) { return image.started; });
}

bool Collector::running() const {
  return std::ranges::any_of(images_, [](const Image& image) { return !image.ended && !image.probe.gone(); });
}

std::string Collector::failure() const {
  const auto& control = session_.control();
  const std::uint32_t count = std::min(control.images.load(std::memory_order_acquire), session::kMaxImages);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (control.image[i].state.load(std::memory_order_acquire) == session::ImageState::failed)
      return control.image[i].why;
  }
  return {};
}

template <typename Which>
void Collector::sample(Time time, Which which) try {
  if (!sink_status_.ok()) return;
  const auto processes = static_cast<std::uint64_t>(std::ranges::count_if(images_, which));
  for (Image& image : images_) {
    if (!which(image)) continue;
    // What processes have touched of the session's memory is known for all together. This one maps it too.
    const std::uint64_t touched = streams_.touched_bytes() / processes;
    auto sample = image.sampler.take(image.probe, session_.control().image[image.number()].own, touched, processes + 1);
    if (!sample) continue;
    sample->time = time;
    sample->process = image.process();
    sample->heap = matcher_.live_bytes();
    sample->process_heap = matcher_.live_bytes(image.process());
    if (encoder_) {
      encoder_->sample(*sample);
    } else {
      sink_status_ = sink_.sample(*sample);
    }
    sampled_ = true;
  }
} catch (const std::bad_alloc&) {
  give_up();
}

void Collector::sample() {
  sample(clock_.time_of(session_.now()), [](const Image& image) { return image.recording() && !image.replaced; });
}

// As recording begins, before its first event is matched. Later on all processes are looked at together.
void Collector::sample_beginning(const Image& begun, Time time) {
  if (!sampled_) sample(time, [&](const Image& image) { return &image == &begun; });
}

void Collector::flush(bool all) try {
  if (encoder_ && sink_status_.ok() && (all || encoder_->pending_bytes() >= kWorthABlock)) encoder_->flush();
} catch (const std::bad_alloc&) {
  give_up();
}

// What is recorded is safe before files that others made are read.
void Collector::resolve_symbols() {
  flush(true);
  early_names_.stop(definitions_);
  if (sink_status_.ok()) symbols::resolve(definitions_, module_files_, on_progress);
}

void Collector::finish(const Ending& ending) {
  try {
    finish_writing(ending);
  } catch (const std::bad_alloc&) {
    give_up();
  }
  const Status status = sink_.finish(metadata_, false);
  if (sink_status_.ok()) sink_status_ = status;
}

void Collector::finish_writing(const Ending& ending) {
  metadata_.ending = ending;
  metadata_.end = clock_.time_of(session_.now());
  if (!images_.empty()) {
    for (Image& image : images_) {
      if (image.ended) continue;
      const bool lost = image.executing && !image.replaced && image.pid() == session_.control().target_pid;
      if (lost && ending.kind != Ending::Kind::stopped) metadata_.ending.kind = Ending::Kind::unrecordable;
      end_image(image, image.replaced || image.executing, metadata_.end);
    }
    hand_over();
  }
  metadata_.dropped_events = dropped();
  metadata_.unknown_deallocations = matcher_.unknown_deallocations();
  resolve_symbols();
  if (encoder_ && sink_status_.ok()) encoder_->finish(metadata_);
}

}  // namespace memray::collector
