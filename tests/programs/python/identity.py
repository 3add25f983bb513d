"""Prints what a script can see of how it was started."""
import builtins
import os
import signal
import sys
import threading

print("argv", sys.argv)
print("path", sys.path)
print("executable", sys.executable)
print("prefix", sys.prefix)
print("flags", sys.flags)
print("name", __name__)
print("file", globals().get("__file__"))
print("package", __package__, "spec", __spec__ if __spec__ is None else __spec__.name)
print("globals", sorted(globals()))
print("builtins", len(dir(builtins)))
# memray learns of the script's end through atexit, which is built into the interpreter; it is the one module more.
print("modules", sorted(sys.modules.keys() - {"atexit"}))
print("environment", sorted(os.environ.items()))
# The descriptor that listdir itself used is gone by the time it is looked up.
print("descriptors", sorted(fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")))
print("profile", sys.getprofile(), "trace", sys.gettrace())
print("threads", threading.active_count())
print("interrupt", signal.getsignal(signal.SIGINT))
print("working directory", os.getcwd())
print("warnings", sys.warnoptions)
