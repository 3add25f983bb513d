#include "cli.h"
#include "plugin/loader.h"

#include <system_error>

namespace memray::cli {
namespace fs = std::filesystem;

Installation find_installation() {
  std::error_code error;
  const fs::path prefix = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
  Installation installation;
  installation.libdir = prefix / MEMRAY_LIBDIR;
  for (const fs::path libdir : {MEMRAY_LIBDIR, "lib/memray"}) {
    if (!fs::is_directory(prefix / libdir, error)) continue;
    installation.libdir = prefix / libdir;
    break;
  }
  installation.plugin_path = plugin_search_path(installation.libdir);
  return installation;
}

}  // namespace memray::cli
