#include "symbols/early_names.h"

#include "symbols/resolve.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

namespace memray::symbols {

EarlyNames::~EarlyNames() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  for (const Batch& batch : waiting_)
    if (batch.descriptor >= 0) close(batch.descriptor);
}

void EarlyNames::step(Definitions& definitions, const ModuleFiles& files) {
  if (asked_ != definitions.frames()) ask(definitions, files);
  take_answers(definitions);
}

void EarlyNames::stop(Definitions& definitions) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  take_answers(definitions);
}

void EarlyNames::ask(const Definitions& definitions, const ModuleFiles& files) {
  std::map<FileKey, Batch> batches;
  for (; asked_ < definitions.frames(); ++asked_) {
    const auto place = place_to_look_up(definitions, FrameId{asked_});
    if (!place) continue;
    const ModuleId id = definitions.frame(FrameId{asked_}).module;
    const Module& module = definitions.module(id);
    const FileKey file{module.path, module.build_id};
    Batch& batch = batches[file];
    batch.places.emplace_back(FrameId{asked_}, *place);
    if (!known_.insert(file).second) continue;
    batch.path = definitions.string(module.path);
    batch.build_id = definitions.string(module.build_id);
    batch.descriptor = files.open(definitions, id);
  }
  if (batches.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [file, batch] : batches) {
      batch.file = file;
      waiting_.push_back(std::move(batch));
    }
  }
  wake_.notify_one();
  if (!thread_.joinable()) thread_ = std::jthread([this] { work(); });
}

void EarlyNames::take_answers(Definitions& definitions) {
  std::vector<Answer> answers;
  {
    const std::lock_guard lock(mutex_);
    answers.swap(answers_);
  }
  for (const Answer& answer : answers) set_locations(definitions, {&answer.frame, 1}, answer.functions);
}

// Signals are for the thread that waits for them.
void EarlyNames::work() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19);
  while (const auto batch = next_batch()) {
    if (!look_up(*batch)) return;
  }
}

std::optional<EarlyNames::Batch> EarlyNames::next_batch() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
  if (stopping_) return std::nullopt;
  Batch batch = std::move(waiting_.front());
  waiting_.erase(waiting_.begin());
  return batch;
}

// False if it was told to stop.
bool EarlyNames::look_up(const Batch& batch) {
  auto& file = files_[batch.file];
  if (!file) file = std::make_unique<SymbolFile>(batch.path, batch.build_id, batch.descriptor);
  for (const auto& [frame, place] : batch.places) {
    std::vector<Function> functions = file->find(place);
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    answers_.push_back({frame, std::move(functions)});
  }
  return true;
}

}  // namespace memray::symbols
