/* Recording the process that one's own code runs in: what the Python package does, and what any program may do.
 *
 * libmemray-recorder.so, opened with dlopen(RTLD_NOW | RTLD_LOCAL), exports one symbol of this header: `memray_embed`,
 * a table of functions. Nothing needs to be linked.
 *
 *     const struct memray_embed* memray = dlsym(dlopen("libmemray-recorder.so", RTLD_NOW), "memray_embed");
 *     const char* arguments[] = {"-o", "capture.bin", "--native", NULL};
 *     struct memray_embed_options options = {sizeof options, 0, "/usr/bin/memray", arguments};
 *     char why[512];
 *     if (memray->open(&options, why, sizeof why) != 0) ... ; // the output cannot be made, say
 *     memray->start(why, sizeof why);
 *     ... // recorded
 *     memray->stop(why, sizeof why);                          // the capture is complete
 *
 * `open` starts the collector, a process that is not a child of this one, and returns when the output is there. A
 * recording that was opened but not started leaves nothing behind. Only one recording can be open in a process; several
 * may follow one another.
 *
 * A forked child is not recorded, unless MEMRAY_EMBED_FOLLOW_FORK asks for a recording of its own. In a child that is
 * not recorded `stop` does nothing, and `open` begins anew. A program that replaces the process (exec) ends the
 * recording. Functions may be called by any thread, but not in signal handlers. They return 0, or -1 with one line in
 * `why`.
 */
#ifndef MEMRAY_EMBED_H
#define MEMRAY_EMBED_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each forked child records itself in a capture of its own: the output's name with ".PID" added. */
#define MEMRAY_EMBED_FOLLOW_FORK 1u

struct memray_embed_options {
  uint32_t size; /* sizeof of this structure */
  uint32_t flags;
  const char* command;          /* the memray command, as an absolute path */
  const char* const* arguments; /* options of `memray collect`, see `memray collect --help`; NULL at the end */
};

struct memray_embed {
  uint32_t size; /* sizeof of this structure in the recorder; later versions only append */
  uint32_t reserved;

  int (*open)(const struct memray_embed_options* options, char* why, size_t size);
  int (*start)(char* why, size_t size);

  /* Returns when the capture is complete on disk. Harmless without a recording. */
  int (*stop)(char* why, size_t size);

  /* Nonzero between `start` and `stop`. */
  int (*is_recording)(void);

  /* What was recorded before the call can be read from the capture when it returns. */
  int (*flush)(char* why, size_t size);

  /* The peak is the highest moment from now on; the capture's metadata has the time as "peak_reset_ns". */
  int (*reset_peak)(char* why, size_t size);

  /* From now on (1) or no more (0), nothing that the calling thread allocates or frees is recorded. Calls nest, and may
   * be made at any time. */
  void (*ignore)(int on);

  /* "key: value" for the capture's metadata, while recording. */
  void (*describe)(const char* key, const char* value);

  /* Whether somebody takes the recording that is open: always, where it goes into a file; with --sink=socket, from the
   * moment at which the first client is there. -1 if there is no recording or its collector has ended. */
  int (*ready)(void);

  /* `stop` in two steps, for callers that hold a lock which they should not keep while the collector writes. After
   * `leave` nothing is recorded any more; `finish` returns when the capture is complete on disk. */
  void (*leave)(void);
  int (*finish)(char* why, size_t size);

  /* The thread with this id of the kernel's is called `name` from now on, which the kernel need not know. */
  void (*name_thread)(uint32_t os_tid, const char* name);
};

#ifdef __cplusplus
}
#endif

#endif
