// A file that is being made, and what becomes of an older one of the same name.
//
// Without `force` the file is created exclusively: an existing file is never touched. With `force` the new one is
// written beside the old one, and takes its place at `publish`: a program that cannot be started does not cost an
// earlier capture. What is no regular file (/dev/null, a pipe) is opened and written as it is, and never renamed or
// removed.
#pragma once

#include <memray/types.h>

#include <cstddef>
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
  // For a file that is written anew now and then: this is its content, in place of what it had, or it stays as it was.
  Status replace(std::span<const std::byte> bytes);
  // Whether that may be done more than once.
  bool replaceable() const { return regular_; }
  Status close();
  void discard();  // leaves things as they were before `open`

  const std::string& name() const { return name_; }

 private:
  Status begin_temporary();
  Status write_failed(int error) const;

  std::string name_;       // as the user knows it
  std::string final_;      // what `name_` leads to
  std::string temporary_;  // where it is written until published; "" if that is final_
  int fd_ = -1;
  bool regular_ = true;
};

}  // namespace memray
