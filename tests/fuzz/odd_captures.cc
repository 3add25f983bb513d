// Writes captures that are right, but not what anybody expects: odd-captures FOLDER.
//
//   empty        a program that allocated nothing
//   zero         allocations of no bytes at all
//   html         functions, files and threads whose names are HTML, formulas and format strings
//   long         a function with a name of 10 million characters
//   invalid      names that are not UTF-8, or are control characters
//   threads      ten thousand threads
//   deep         a stack of 20,000 frames

#include <filesystem>
#include <iostream>

#include "recording.h"

namespace {

using memray::StackId;
using memray::test::Call;
using memray::test::Recording;

void save(Recording& recording, const std::filesystem::path& folder, const std::string& name) {
  const memray::Capture capture = recording.finish();
  std::filesystem::copy_file(capture.path(), folder / (name + ".bin"),
                             std::filesystem::copy_options::overwrite_existing);
}

// One allocation of 1000 bytes below each of the names.
void allocate(Recording& recording, std::initializer_list<std::string> names) {
  std::uint64_t address = 0x1000;
  for (const std::string& name : names)
    recording.allocate(address += 0x1000, 1000,
                       recording.stack({{"main", "/app/main.py", 1}, {name, name + ".py", 2}}));
}

void name_thread(Recording& recording, const std::string& name) {
  recording.definitions.rename_thread(recording.thread, recording.definitions.add_string(name));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: odd-captures FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];

  Recording empty;
  save(empty, folder, "empty");

  Recording zero;
  const StackId at = zero.stack({{"main", "/app/main.py", 1}});
  for (std::uint64_t i = 1; i <= 3; ++i) zero.allocate(i * 16, 0, at);
  save(zero, folder, "zero");

  Recording html;
  html.metadata.command_line = "python <script>alert(1)</script> \"'&";
  name_thread(html, "</script><script>alert(2)</script>");
  allocate(html, {"<script>alert(3)</script>", "]]>--><b>", "=cmd|' /C calc'!A0", "%n%s{}{0}", "a;b|c,d\"e'f", "\\\"",
                  "</title>"});
  save(html, folder, "html");

  Recording lengthy;
  allocate(lengthy, {std::string(10'000'000, 'x')});
  save(lengthy, folder, "long");

  Recording invalid;
  invalid.metadata.command_line = "python \xff\xfe.py";
  name_thread(invalid, "\xc3\x28");
  allocate(invalid,
           {"\xff\xfe\xfd", "caf\xe9", "\xed\xa0\x80", "line\nbreak\r\ttab", "\x1b[31mred", std::string("nul\0nul", 7),
            "\xe2\x80\xae"
            "desrever"});
  save(invalid, folder, "invalid");

  Recording threads;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    threads.thread = threads.definitions.add_thread(
        {threads.process, i + 2, i + 100, threads.definitions.add_string("worker-" + std::to_string(i))});
    threads.allocate(0x1000 + 0x1000 * i, 100, threads.stack({{"work", "/app/work.py", 7}}));
  }
  save(threads, folder, "threads");

  Recording deep;
  StackId stack = memray::kNoStack;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    memray::Frame frame;
    frame.location = {deep.definitions.add_string("recurse"), deep.definitions.add_string("/app/deep.py"), 1 + i % 3};
    stack = deep.definitions.add_stack(stack, deep.definitions.add_frame(frame));
  }
  deep.allocate(0x1000, 1000, stack);
  save(deep, folder, "deep");
  return 0;
}
