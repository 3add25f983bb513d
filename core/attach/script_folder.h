// A folder in which a process of another mount namespace, and of another user, finds a script and a socket of ours.
#pragma once

#include "attach/target.h"

#include <string>

namespace memray::attach {

class ScriptFolder {
 public:
  // Throws AttachError.
  explicit ScriptFolder(pid_t pid);
  ~ScriptFolder();  // everything is removed
  ScriptFolder(const ScriptFolder&) = delete;
  ScriptFolder& operator=(const ScriptFolder&) = delete;

  // Paths as the process sees them.
  std::string script() const { return path_ + "/script.py"; }
  std::string socket() const { return path_ + "/socket"; }

  // A listening socket of sequenced packets at socket().
  int listen();
  void write_script(const std::string& text);

 private:
  bool make_in(int root, const char* folder);
  void give(const char* name);

  pid_t pid_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  int parent_ = -1;
  int folder_ = -1;
  std::string name_;
  std::string path_;
};

}  // namespace memray::attach
