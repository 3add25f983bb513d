// A file that is being made, and what becomes of an older one of the same name.
//
// Without `force` the file is created exclusively: an existing file is never touched. With `force` the new one is
// written beside the old one, and takes its place at `publish`: a program that cannot be started does not cost an
// earlier capture. What is no regular file (/dev/null, a pipe) is opened and written as it is, and never renamed or
// removed.
//
// A write that fails leaves the file as it was before: what is in it stays whole.
#pragma once

#include <memray/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace memray {

class OutputFile {
 public:
  OutputFile() = default;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  Status open(const std::string& name, bool force);
  Status publish();
  Status write(std::span<const std::byte> bytes);  // all of it, or an error
  // For a file that is written anew now and then: what `write_new` writes takes the place of what it has, which is at
  // the path that `write_new` is told, or it stays as it is.
  Status rewrite(const std::function<Status(const std::string&)>& write_new);
  // Whether that may be done more than once.
  bool replaceable() const { return regular_; }
  Status close();  // a file that somebody removed meanwhile is written once more
  void discard();  // leaves things as they were before `open`

  const std::string& name() const { return name_; }

 private:
  Status begin_temporary();
  void drop_temporary();
  Status write_all(std::span<const std::byte> bytes);
  Status restore();
  Status write_failed(int error) const;

  std::string name_;   // as the user knows it
  std::string final_;  // what `name_` leads to
  std::uint64_t size_ = 0;
  std::string temporary_;  // where it is written until published; "" if that is final_
  int fd_ = -1;
  bool regular_ = true;
};

}  // namespace memray
