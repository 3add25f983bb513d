// The hooks themselves: what runs in place of malloc, mmap, execve, ...
//
// With the preload backend a hook has the name of the function it replaces; that is all there is to symbol
// interposition. With the plt backend it has a name of its own, and words that hold addresses are made to point to it.
#pragma once

#include "functions.h"
#include "quiet.h"

#include <memray/hooks.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#ifdef MEMRAY_INTERPOSE
#define MEMRAY_HOOK(name) __asm__(#name) __attribute__((visibility("default"), noinline))
#else
#define MEMRAY_HOOK(name) __asm__("memray_hook_" #name) __attribute__((noinline))
#endif

#pragma GCC visibility push(hidden)

namespace memray::hooks {

void* hook_malloc(std::size_t size) MEMRAY_HOOK(malloc);
void hook_free(void* p) MEMRAY_HOOK(free);
void* hook_calloc(std::size_t count, std::size_t size) MEMRAY_HOOK(calloc);
void* hook_realloc(void* p, std::size_t size) MEMRAY_HOOK(realloc);
void* hook_reallocarray(void* p, std::size_t count, std::size_t size) MEMRAY_HOOK(reallocarray);
int hook_posix_memalign(void** result, std::size_t alignment, std::size_t size) MEMRAY_HOOK(posix_memalign);
void* hook_aligned_alloc(std::size_t alignment, std::size_t size) MEMRAY_HOOK(aligned_alloc);
void* hook_memalign(std::size_t alignment, std::size_t size) MEMRAY_HOOK(memalign);
void* hook_valloc(std::size_t size) MEMRAY_HOOK(valloc);
void* hook_pvalloc(std::size_t size) MEMRAY_HOOK(pvalloc);
void hook_cfree(void* p) MEMRAY_HOOK(cfree);
void hook_free_sized(void* p, std::size_t size) MEMRAY_HOOK(free_sized);
void hook_free_aligned_sized(void* p, std::size_t alignment, std::size_t size) MEMRAY_HOOK(free_aligned_sized);

void* hook_mmap(void* at, std::size_t length, int protection, int flags, int fd, off_t offset) MEMRAY_HOOK(mmap);
void* hook_mmap64(void* at, std::size_t length, int protection, int flags, int fd, off64_t offset) MEMRAY_HOOK(mmap64);
int hook_munmap(void* address, std::size_t length) MEMRAY_HOOK(munmap);
void* hook_mremap(void* old, std::size_t old_length, std::size_t length, int flags, void* at) MEMRAY_HOOK(mremap);

void* hook_dlopen(const char* path, int mode) MEMRAY_HOOK(dlopen);
int hook_dlclose(void* handle) MEMRAY_HOOK(dlclose);
void* hook_dlsym(void* handle, const char* name) MEMRAY_HOOK(dlsym);

int hook_execve(const char* path, char* const* argv, char* const* envp) MEMRAY_HOOK(execve);
int hook_execv(const char* path, char* const* argv) MEMRAY_HOOK(execv);
int hook_execvp(const char* file, char* const* argv) MEMRAY_HOOK(execvp);
int hook_execvpe(const char* file, char* const* argv, char* const* envp) MEMRAY_HOOK(execvpe);
int hook_execl(const char* path, const char* argument, ...) MEMRAY_HOOK(execl);
int hook_execlp(const char* file, const char* argument, ...) MEMRAY_HOOK(execlp);
int hook_execle(const char* path, const char* argument, ...) MEMRAY_HOOK(execle);
int hook_fexecve(int fd, char* const* argv, char* const* envp) MEMRAY_HOOK(fexecve);
int hook_execveat(int directory, const char* path, char* const* argv, char* const* envp, int flags)
    MEMRAY_HOOK(execveat);
int hook_posix_spawn(pid_t* pid, const char* path, const void* actions, const void* attributes, char* const* argv,
                     char* const* envp) MEMRAY_HOOK(posix_spawn);
int hook_posix_spawnp(pid_t* pid, const char* file, const void* actions, const void* attributes, char* const* argv,
                      char* const* envp) MEMRAY_HOOK(posix_spawnp);

int hook_pthread_setname_np(unsigned long thread, const char* name) MEMRAY_HOOK(pthread_setname_np);
int hook_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) MEMRAY_HOOK(prctl);

// What takes the place of each function; by number, see functions.h.
void* replacement(std::size_t function);

}  // namespace memray::hooks

#pragma GCC visibility pop
