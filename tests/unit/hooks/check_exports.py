"""What a hook plugin shows to the program: nothing but what it interposes, and needs nothing but libc.

usage: check_exports.py PLUGIN BACKEND
"""

import subprocess
import sys

INTERPOSED = """malloc free calloc realloc reallocarray posix_memalign aligned_alloc memalign valloc pvalloc cfree
free_sized free_aligned_sized mmap mmap64 munmap mremap dlopen dlclose dlsym execve execv execvp execvpe execl execlp
execle fexecve execveat posix_spawn posix_spawnp pthread_setname_np prctl""".split()

plugin, backend = sys.argv[1:]
lines = subprocess.run(["nm", "-D", "--defined-only", plugin], capture_output=True, text=True, check=True).stdout
exported = {line.split()[-1] for line in lines.splitlines()}
foreign = {name for name in exported if not name.startswith("memray_")}
assert foreign == (set(INTERPOSED) if backend == "preload" else set()), sorted(foreign)
assert "memray_plugin" in exported

dynamic = subprocess.run(["readelf", "-dW", plugin], capture_output=True, text=True, check=True).stdout
needed = [line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line]
assert needed == ["libc.so.6"], needed
