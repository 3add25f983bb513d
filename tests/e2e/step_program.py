"""A recorded program that goes step by step, so that what a view shows can be compared with what is known."""
import os
import subprocess

# Waits for a byte in a pipe before each step, so that the screen can be compared with what is known.
PROGRAM = '''
import os, sys, threading
go, done = int(sys.argv[1]), int(sys.argv[2])

def early():
    return bytearray(3_000_000)

def late():
    return bytearray(5_000_000)

def in_thread(kept):
    kept.append(bytearray(1_000_000))

def step():
    os.write(done, b".")
    if not os.read(go, 1):
        sys.exit(3)

kept = [early()]
thread = threading.Thread(target=in_thread, args=(kept,), name="helper")
thread.start()
thread.join()
step()
kept.append(late())
step()
kept.pop()
step()
'''


class Program:
    """PROGRAM, served, that goes step by step."""

    def __init__(self, memray, folder, *options):
        script = folder / "steps.py"
        script.write_text(PROGRAM)
        there, self.go = os.pipe()
        self.done, back = os.pipe()
        self.process = subprocess.Popen(
            [memray, "run", "--sink=socket", *options, script, str(there), str(back)],
            pass_fds=(there, back), stdout=subprocess.PIPE, text=True, cwd=folder)
        os.close(there)
        os.close(back)
        self.port = self.process.stdout.readline().split("'")[1].split()[-1]
        assert os.read(self.done, 1)

    def step(self):
        os.write(self.go, b".")
        assert os.read(self.done, 1)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.go >= 0:
            os.close(self.go)
        os.close(self.done)
        self.process.communicate()

    def end(self):
        os.close(self.go)
        self.go = -1
        return self.process.wait()
