"""What recording takes of the program's own memory: chunks, tables, code. It is bounded, whatever the program does."""
import sys

import pytest

from recording import run

PROGRAM = """
import sys, threading

def work():
    for i in range(5000):
        bytearray(600 + i % 50)

threads = [threading.Thread(target=work) for _ in range(int(sys.argv[1]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize("threads", [1, 4, 64])
def test_extra_memory_is_bounded(memray, tmp_path, threads):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)

    def megabytes(*command):
        done = run([*command, script, threads])
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return int(done.stdout) / 1024

    plain = megabytes(sys.executable)
    recorded = megabytes(memray, "run", "-q", "-o", tmp_path / "capture.bin", "--python", sys.executable)
    assert recorded - plain <= 16 + threads
