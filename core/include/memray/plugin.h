/* How memray finds, checks and loads a plugin.
 *
 * A plugin is a shared object called `memray-<kind>-<name>.so` that exports one C symbol, `memray_plugin`: a constant
 * of type struct memray_plugin_descriptor. The loader reads the descriptor and nothing else until the ABI version has
 * been found equal to its own, so a plugin built for another memray is refused with a message and never run.
 *
 * Search path, first match of a (kind, name) pair wins:
 *   1. every folder of $MEMRAY_PLUGIN_PATH (colon separated)
 *   2. ~/.local/lib/memray/plugins
 *   3. <libdir>/memray/plugins of the memray in use
 *
 * Two of the four kinds (hook backends, unwinders) run inside the program being profiled; they use <memray/hooks.h>
 * and <memray/unwinder.h>, which are C and need no C++ runtime. The other two (sinks, reporters) run in memray's own
 * processes and use <memray/sink.h> and <memray/reporter.h>, which are C++20.
 */
#ifndef MEMRAY_PLUGIN_H
#define MEMRAY_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MEMRAY_PLUGIN_MAGIC 0x4e4c505952454d4dull /* "MMERYPLN" in memory order */

/* Raised whenever a structure or virtual function table that crosses the plugin boundary changes. */
#define MEMRAY_ABI_VERSION 1u

enum memray_plugin_kind {
  MEMRAY_PLUGIN_HOOKS = 1,
  MEMRAY_PLUGIN_UNWINDER = 2,
  MEMRAY_PLUGIN_SINK = 3,
  MEMRAY_PLUGIN_REPORTER = 4,
};

struct memray_plugin_descriptor {
  uint64_t magic;          /* MEMRAY_PLUGIN_MAGIC */
  uint32_t abi_version;    /* MEMRAY_ABI_VERSION the plugin was built with */
  uint32_t kind;           /* enum memray_plugin_kind */
  const char* name;        /* what users type: [a-z0-9_-]+, equal to the name in the file name */
  const char* description; /* one line */
  const char* version;     /* the plugin's own version */
  const void* interface;   /* by kind: memray_hooks, memray_unwinder, memray_sink_factory, memray_reporter_factory */
};

#define MEMRAY_EXPORT __attribute__((visibility("default")))

/* The one symbol that a plugin exports. */
extern MEMRAY_EXPORT const struct memray_plugin_descriptor memray_plugin;

#ifdef __cplusplus
}
#endif

#endif
