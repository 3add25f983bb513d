/* uninstall puts everything back: the bytes of all data pages that the linker filled, and the kernel's view of them.
 *   restore PLUGIN */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct image {
  char maps[1 << 20];
  size_t maps_size;
  char bytes[8 << 20]; /* of every object's GOT and of everything under RELRO */
  size_t size;
};
static struct image before, during, after, files_before, files_during;

static int is_memrays(const char* name) { return strstr(name, "memray-hooks") || strstr(name, "hooks-recorder"); }

/* Objects whose data changes by itself (this program, libc, the dynamic linker) are seen through what stays: RELRO. */
static int copy_object(struct dl_phdr_info* info, size_t size, void* to) {
  (void)size;
  struct image* image = to;
  if (is_memrays(info->dlpi_name)) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)* segment = &info->dlpi_phdr[i];
    const int relro = segment->p_type == PT_GNU_RELRO;
    const int user = segment->p_type == PT_LOAD && (segment->p_flags & PF_W) && strstr(info->dlpi_name, "user-");
    if (!relro && !user) continue;
    CHECK(image->size + segment->p_memsz <= sizeof image->bytes);
    memcpy(image->bytes + image->size, (void*)(info->dlpi_addr + segment->p_vaddr), segment->p_memsz);
    image->size += segment->p_memsz;
  }
  return 0;
}

static void take(struct image* image) {
  image->size = 0;
  dl_iterate_phdr(copy_object, image);
  const int fd = open("/proc/self/maps", O_RDONLY);
  ssize_t n;
  image->maps_size = 0;
  while ((n = read(fd, image->maps + image->maps_size, sizeof image->maps - image->maps_size)) > 0) {
    image->maps_size += (size_t)n;
  }
  close(fd);
}

/* Without the memory that the backend itself has mapped. */
static void keep_files(const struct image* all, struct image* files) {
  const char* line = all->maps;
  const char* end = all->maps + all->maps_size;
  files->maps_size = 0;
  while (line < end) {
    const char* next = (const char*)memchr(line, '\n', (size_t)(end - line)) + 1;
    if (memchr(line, '/', (size_t)(next - line))) {
      memcpy(files->maps + files->maps_size, line, (size_t)(next - line));
      files->maps_size += (size_t)(next - line);
    }
    line = next;
  }
}

static int same_maps(const struct image* a, const struct image* b) {
  return a->maps_size == b->maps_size && memcmp(a->maps, b->maps, a->maps_size) == 0;
}
static int same_bytes(const struct image* a, const struct image* b) {
  return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

int main(int argc, char** argv) {
  (void)argc;
  memset(&before, 1, sizeof before); /* all pages are there from now on */
  memset(&during, 1, sizeof during);
  memset(&after, 1, sizeof after);
  CHECK(dlopen("./user-lazy.so", RTLD_LAZY | RTLD_LOCAL));
  void* library = dlopen("./user-now.so", RTLD_LAZY | RTLD_LOCAL);
  CHECK(library);
  void* (*allocate)(size_t) = (void* (*)(size_t))dlsym(library, "allocate");
  void (*release)(void*) = (void (*)(void*))dlsym(library, "release");
  CHECK(recorder_attach(argv[1]) == NULL);
  release(allocate(1));
  CHECK(recorder_install() == NULL);
  recorder_uninstall();

  take(&before);
  take(&before);
  CHECK(recorder_install() == NULL);
  take(&during);
  recorder_uninstall();
  take(&after);
  CHECK(before.size > 10000 && before.maps_size > 1000);
  CHECK(!same_bytes(&before, &during));
  keep_files(&before, &files_before);
  keep_files(&during, &files_during);
  /* Read-only pages are read-only again as soon as install returns. */
  CHECK(files_before.maps_size > 1000 && same_maps(&files_before, &files_during));
  CHECK(same_bytes(&before, &after));
  CHECK(same_maps(&before, &after));

  recorder_set_recording(1);
  release(allocate(1));
  free(keep(malloc(2)));
  CHECK(seen_count == 0);
  return 0;
}
