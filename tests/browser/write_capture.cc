// Writes a capture that looks like that of a real program, and beside it what a flame graph of it must show, added up
// here and not by any code of memray: write-capture CAPTURE TRUTH [shop|grown|deep|huge|bushy|wide]
//
//   shop   a Python program with imports, packages, native threads, names in several scripts and names that are HTML
//   grown  the same shop after some weeks: one cache is gone, another grew, and lines have moved
//   deep   a recursion of 3000 frames
//   huge   a million distinct stacks
//   bushy  as many boxes, names and intervals of time as could be asked of a page
//   wide   as many functions that allocate as no table shows
#include <capture/encoder.h>
#include <capture/matcher.h>
#include <memray/text.h>

#include <bit>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace memray;

struct Call {
  std::string function;
  std::string file;
  std::uint32_t line;
  friend auto operator<=>(const Call&, const Call&) = default;
};
using CallStack = std::vector<Call>;  // outermost first

struct Sums {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
};
using Truth = std::map<std::pair<std::uint32_t, CallStack>, Sums>;  // by thread and stack

// One allocation after another, with the moments at which they began and ended.
struct Life {
  std::uint64_t work;  // what the shop did, by number
  std::uint64_t size;
  std::int64_t from;
  std::int64_t to = -1;
};
struct History {
  std::vector<CallStack> stacks;  // by work
  std::vector<Life> lives;
  std::vector<std::int64_t> samples;
};

const std::string kApp = "/home/ada/shop/app.py";
const std::string kModels = "/home/ada/shop/models.py";
const std::string kReports = "/home/ada/shop/reports.py";
const std::string kJson = "/usr/lib/python3.11/json/decoder.py";
const std::string kCsv = "/usr/lib/python3.11/csv.py";
const std::string kThreading = "/usr/lib/python3.11/threading.py";
const std::string kPandas = "/srv/venv/lib/python3.11/site-packages/pandas/io/parsers/readers.py";
const std::string kFrame = "/srv/venv/lib/python3.11/site-packages/pandas/core/frame.py";
const std::string kBootstrap = "<frozen importlib._bootstrap>";
const std::string kExternal = "<frozen importlib._bootstrap_external>";

class Recording {
 public:
  explicit Recording(const std::string& path) : file_(path, std::ios::binary) {
    metadata_.memray_version = "0.1.0";
    metadata_.start_time_ns = 1'780'000'000'000'000'000;
    metadata_.pid = 4242;
    metadata_.command_line = "python shop.py --report <all> --currency \xe2\x82\xac";
    metadata_.hooks = "plt";
    metadata_.unwinders = "python";
    metadata_.python_version = "3.11.9";
    metadata_.python_allocator = "pymalloc";
    process_ = definitions_.add_process({.pid = 4242, .parent_pid = 1, .command_line = string(metadata_.command_line)});
    for (const char* name : {"MainThread", "worker", "Прогрев"}) {
      threads_.push_back(definitions_.add_thread({.process = process_,
                                                  .number = static_cast<std::uint32_t>(threads_.size() + 1),
                                                  .os_tid = static_cast<std::uint32_t>(4242 + threads_.size()),
                                                  .name = string(name)}));
    }
    metadata_.main_thread = threads_[0];
    encoder_ = std::make_unique<Encoder>(definitions_, metadata_, EncoderOptions{}, [this](const Block& block) {
      file_.write(reinterpret_cast<const char*>(block.bytes.data()), static_cast<std::streamsize>(block.bytes.size()));
    });
  }

  StackId called(StackId caller, const Call& call) {
    const Frame frame = {.location = {string(call.function), string(call.file), call.line}};
    return definitions_.add_stack(caller, definitions_.add_frame(frame));
  }

  std::uint64_t allocate(const CallStack& calls, std::uint64_t size, std::uint32_t thread = 0) {
    StackId stack = kNoStack;
    for (const Call& call : calls) stack = called(stack, call);
    return allocate(stack, size, thread);
  }

  std::uint64_t allocate(StackId stack, std::uint64_t size, std::uint32_t thread = 0) {
    const std::uint64_t address = next_address_;
    next_address_ += (size + 31) & ~std::uint64_t{15};
    matcher_.allocate({.process = process_,
                       .thread = threads_[thread],
                       .allocator = Allocator::malloc,
                       .stack = stack,
                       .address = address,
                       .size = size,
                       .stamp = ++stamp_,
                       .time = now()});
    pass_on();
    return address;
  }

  void free(std::uint64_t address) {
    matcher_.deallocate(
        {.process = process_, .thread = threads_[0], .address = address, .stamp = ++stamp_, .time = now()});
    pass_on();
  }

  // Times of events have a resolution of five stamps: around a sample there are none that share its time.
  std::int64_t sample(std::uint64_t rss) {
    pass_on(true);
    stamp_ = (stamp_ + 4) / 5 * 5;
    const Time time = now();
    encoder_->sample({time, process_, rss, matcher_.live_bytes()});
    stamp_ += 5;
    return nanoseconds(time);
  }

  void finish() {
    pass_on(true);
    metadata_.end = now();
    metadata_.ending = {Ending::Kind::exited, 3, false};
    encoder_->finish(metadata_);
    file_.close();
    if (!file_) std::perror("write-capture");
  }

  std::uint64_t live() const { return matcher_.live_bytes(); }
  std::int64_t time() const { return nanoseconds(now()); }

 private:
  StringId string(const std::string& text) { return definitions_.add_string(text); }
  Time now() const { return Time{static_cast<std::int64_t>(stamp_) * 20'000}; }

  void pass_on(bool all = false) {
    if (!all && matcher_.events().size() < 4096) return;
    encoder_->events(matcher_.events());
    matcher_.clear();
  }

  std::ofstream file_;
  Metadata metadata_;
  Definitions definitions_;
  ProcessId process_{};
  std::vector<ThreadId> threads_;
  Matcher matcher_{definitions_};
  std::unique_ptr<Encoder> encoder_;
  std::uint64_t next_address_ = 0x5555'0000'0000;
  std::uint64_t stamp_ = 0;
};

void add(Truth& truth, std::uint32_t thread, const CallStack& stack, std::uint64_t bytes) {
  Sums& sums = truth[{thread, stack}];
  sums.bytes += bytes;
  ++sums.count;
}

void write_stack(std::ostream& out, const CallStack& stack) {
  out << "[";
  const char* comma = "";
  for (const Call& call : stack) {
    out << comma << "[" << json_string(call.function) << ", " << json_string(call.file) << ", " << call.line << "]";
    comma = ", ";
  }
  out << "]";
}

void write_history(std::ostream& out, const History& history) {
  const auto list = [&](const char* name, const auto& items, auto write) {
    out << "\"" << name << "\": [";
    const char* separator = "\n";
    for (const auto& item : items) {
      out << separator;
      write(item);
      separator = ",\n";
    }
    out << "]";
  };
  list("stacks", history.stacks, [&](const CallStack& stack) { write_stack(out, stack); });
  out << ",\n";
  list("lives", history.lives, [&](const Life& life) {
    out << "[" << life.work << ", " << life.size << ", " << life.from << ", " << life.to << "]";
  });
  out << ",\n";
  list("samples", history.samples, [&](std::int64_t time) { out << time; });
}

void write_truth(const std::string& path, const std::map<std::string, Truth>& views, const History& history) {
  std::ofstream out(path);
  out << "{";
  write_history(out, history);
  const char* view_separator = ",\n";
  for (const auto& [name, truth] : views) {
    out << view_separator << json_string(name) << ": [";
    const char* separator = "\n";
    for (const auto& [key, sums] : truth) {
      out << separator << "{\"thread\": " << key.first << ", \"bytes\": " << sums.bytes << ", \"count\": " << sums.count
          << ", \"stack\": ";
      write_stack(out, key.second);
      out << "}";
      separator = ",\n";
    }
    out << "]";
    view_separator = ",\n";
  }
  out << "}\n";
}

struct Work {
  CallStack stack;
  std::uint64_t size;
  int times;
  std::uint32_t thread = 0;
  bool leaked = false;
};

std::vector<Work> shop() {
  const Call module = {"<module>", "/home/ada/shop/shop.py", 12};
  const Call main = {"main", kApp, 41};
  const CallStack load = {module, main, {"load_orders", kApp, 57}};
  const CallStack import = {module,
                            {"_find_and_load", kBootstrap, 1176},
                            {"_find_and_load_unlocked", kBootstrap, 1147},
                            {"_load_unlocked", kBootstrap, 690},
                            {"exec_module", kExternal, 940},
                            {"_call_with_frames_removed", kBootstrap, 241}};
  const CallStack worker = {
      {"_bootstrap", kThreading, 1002}, {"_bootstrap_inner", kThreading, 1045}, {"run", kThreading, 982}};
  const auto with = [](CallStack stack, std::initializer_list<Call> more) {
    stack.insert(stack.end(), more);
    return stack;
  };
  return {
      {with(load, {{"read_csv", kPandas, 1026}, {"_read", kPandas, 620}, {"read", kPandas, 1923}}), 96'000, 220},
      {with(load, {{"read_csv", kPandas, 1026}, {"_read", kPandas, 626}, {"__init__", kFrame, 709}}), 41'000, 160},
      {with(load, {{"reader", kCsv, 86}}), 900, 2600},
      {with(load, {{"Order.__init__", kModels, 18}}), 512, 9000, 0, true},
      {with(load, {{"Order.__init__", kModels, 21}, {"größe_berechnen", kModels, 77}}), 240, 7000, 0, true},
      {with(load, {{"Order.__init__", kModels, 22}, {"価格を計算する", kModels, 90}}), 260, 4100},
      {{module, main, {"fetch_rates", kApp, 63}, {"decode", kJson, 337}, {"raw_decode", kJson, 353}}, 1800, 2100},
      {{module, main, {"fetch_rates", kApp, 64}, {"decode", kJson, 337}, {"raw_decode", kJson, 353}}, 700, 1500},
      {{module, main, {"render", kReports, 30}, {"<script>alert(document.domain)</script>", kReports, 44}}, 5000, 400},
      {{module, main, {"render", kReports, 31}, {"\"><img src=x onerror=alert(1)>", "/tmp/<b>&amp;.py", 9}}, 3000, 300},
      {{module, main, {"render", kReports, 35}, {"<listcomp>", kReports, 36}, {"<lambda>", kReports, 36}}, 420, 5200},
      {{module, main, {"cache", kApp, 88}}, 1 << 20, 9, 0, true},
      {with(import, {{"<module>", kFrame, 1}}), 2400, 3100, 0, true},
      {with(import, {{"<module>", kPandas, 7}, {"<lambda>", kPandas, 12}}), 640, 2000, 0, true},
      {with(import, {{"get_data", kExternal, 1073}}), 31'000, 90},
      {with(worker, {{"compress", kReports, 120}}), 64'000, 70, 1},
      {with(worker, {{"compress", kReports, 122}, {"decode", kJson, 337}}), 800, 1000, 1, true},
      {with(worker, {{"warm_up", kApp, 130}}), 25'000, 60, 2},
      {{module, main, {"tiny", kApp, 99}}, 8, 1},
      {{}, 3000, 5},
  };
}

std::vector<Work> grown_shop() {
  std::vector<Work> works = shop();
  std::erase_if(works, [](const Work& work) { return !work.stack.empty() && work.stack.back().function == "cache"; });
  for (Work& work : works) {
    for (Call& call : work.stack) {
      if (call.file == kApp) call.line += 7;
    }
    if (!work.stack.empty() && work.stack.back().function == "compress") work.times *= 5;
  }
  works.push_back({{works.front().stack[0], works.front().stack[1], {"remember", kApp, 140}}, 1 << 20, 14, 0, true});
  return works;
}

void record_shop(Recording& recording, const std::vector<Work>& works, std::map<std::string, Truth>& views,
                 History& history) {
  std::mt19937 random(20);
  for (const Work& work : works) history.stacks.push_back(work.stack);
  std::vector<std::pair<std::size_t, int>> left;  // what is to be done, and how many times
  for (std::size_t i = 0; i < works.size(); ++i) left.emplace_back(i, works[i].times);

  const auto allocate = [&](std::size_t number, std::uint64_t size) {
    const std::uint64_t address = recording.allocate(works[number].stack, size, works[number].thread);
    history.lives.push_back({number, size, recording.time()});
    return address;
  };
  const auto free = [&](std::uint64_t address, std::size_t life) {
    recording.free(address);
    history.lives[life].to = recording.time();
  };
  std::vector<std::pair<std::uint64_t, std::size_t>> to_free;
  std::uint64_t steps = 0;
  const auto step = [&](std::uint64_t more) {
    if (++steps % 200 == 0) history.samples.push_back(recording.sample(recording.live() * 11 / 10 + more));
  };
  while (!left.empty()) {
    const auto chosen = left.begin() + static_cast<std::ptrdiff_t>(random() % left.size());
    const std::size_t number = chosen->first;
    const Work& work = works[number];
    // Some memory comes and goes before the peak.
    if (random() % 4 == 0) {
      const std::uint64_t address = allocate(number, 48);
      free(address, history.lives.size() - 1);
    }
    const std::uint64_t address = allocate(number, work.size);
    add(views["peak"], work.thread, work.stack, work.size);
    if (work.leaked) {
      add(views["leaks"], work.thread, work.stack, work.size);
    } else {
      to_free.emplace_back(address, history.lives.size() - 1);
    }
    if (--chosen->second == 0) left.erase(chosen);
    step(9'000'000);
  }
  for (const auto& [address, life] : to_free) {
    free(address, life);
    step(14'000'000);
  }
}

void record_deep(Recording& recording, std::map<std::string, Truth>& views) {
  CallStack stack = {{"<module>", "/home/ada/deep.py", 9}};
  for (int i = 0; i < 3000; ++i) {
    stack.push_back({i % 2 == 0 ? "descend" : "step", "/home/ada/deep.py", 2});
    if (i % 10 != 0) continue;
    recording.allocate(stack, 4096);
    add(views["peak"], 0, stack, 4096);
    add(views["leaks"], 0, stack, 4096);
  }
}

// A binary tree of calls, every leaf at the end of a chain of its own.
void record_huge(Recording& recording) {
  constexpr std::uint32_t kForks = 20;
  constexpr std::uint32_t kDepth = 30;
  std::vector<Call> calls[2];
  for (std::uint32_t depth = 0; depth < kDepth; ++depth) {
    for (const std::uint32_t branch : {0u, 1u}) {
      calls[branch].push_back({"level_" + std::to_string(depth), kApp, 1 + branch});
    }
  }
  std::mt19937 random(1);
  std::vector<StackId> stacks(kDepth + 1, kNoStack);  // of the leaf before, outermost first
  for (std::uint32_t leaf = 0; leaf < 1'000'000; ++leaf) {
    const auto changed = static_cast<std::uint32_t>(std::bit_width(leaf == 0 ? ~0u >> 12 : leaf ^ (leaf - 1)));
    for (std::uint32_t depth = kForks - changed; depth < kDepth; ++depth) {
      const std::uint32_t branch = depth < kForks ? (leaf >> (kForks - 1 - depth)) & 1 : 0;
      stacks[depth + 1] = recording.called(stacks[depth], calls[branch][depth]);
    }
    recording.allocate(stacks.back(), 16 + random() % 4096);
  }
}

// 9000 stacks of twelve functions of their own, each a little more than 0.01 %, again and again.
void record_bushy(Recording& recording) {
  constexpr std::uint32_t kLeaves = 9000;
  std::vector<StackId> stacks;
  for (std::uint32_t leaf = 0; leaf < kLeaves; ++leaf) {
    StackId stack = kNoStack;
    for (std::uint32_t depth = 0; depth < 12; ++depth) {
      const std::string name =
          "a_function_with_quite_a_long_name_" + std::to_string(leaf) + "_" + std::to_string(depth);
      stack = recording.called(stack, {name, "/home/ada/bushy/module_" + std::to_string(leaf) + ".py", 10 + depth});
    }
    stacks.push_back(stack);
  }
  std::vector<std::uint64_t> held(kLeaves);
  for (std::uint32_t step = 0; step < 40 * kLeaves; ++step) {
    std::uint64_t& address = held[step % kLeaves];
    if (address != 0) recording.free(address);
    address = recording.allocate(stacks[step % kLeaves], 100'000 + step % 977);
    if (step % 700 == 0) recording.sample(recording.live());
  }
}

void record_wide(Recording& recording) {
  for (std::uint32_t i = 0; i < 60'000; ++i) {
    recording.allocate({{"main", kApp, 1}, {"function_" + std::to_string(i), kApp, 10 + i}}, 100 + i);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: write-capture CAPTURE TRUTH [shop|grown|deep|huge|bushy|wide]\n", stderr);
    return 2;
  }
  const std::string kind = argc > 3 ? argv[3] : "shop";
  Recording recording(argv[1]);
  std::map<std::string, Truth> views;
  History history;
  if (kind == "deep") {
    record_deep(recording, views);
  } else if (kind == "huge") {
    record_huge(recording);
  } else if (kind == "bushy") {
    record_bushy(recording);
  } else if (kind == "wide") {
    record_wide(recording);
  } else {
    record_shop(recording, kind == "grown" ? grown_shop() : shop(), views, history);
  }
  recording.finish();
  write_truth(argv[2], views, history);
}
