#include <memray/capture.h>

#include <cstring>

namespace memray {

std::string describe(const Ending& ending) {
  switch (ending.kind) {
    case Ending::Kind::unknown:
      break;
    case Ending::Kind::exited:
      return "exited with status " + std::to_string(ending.code);
    case Ending::Kind::signalled: {
      const char* const abbreviation = ::sigabbrev_np(ending.code);
      std::string text = "killed by signal " + std::to_string(ending.code);
      if (abbreviation != nullptr)
        text = std::string("killed by SIG") + abbreviation + " (" + std::to_string(ending.code) + ")";
      return ending.core_dumped ? text + ", core dumped" : text;
    }
    case Ending::Kind::stopped:
      return "was still running when recording stopped";
    case Ending::Kind::ended:
      return "ended, in a way that only its parent was told";
    case Ending::Kind::unrecordable:
      return "replaced itself by a program that cannot be recorded";
  }
  return "ended in an unknown way";
}

}  // namespace memray
