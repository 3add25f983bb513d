"""Runs a benchmark of the pyperformance collection as a plain script: `driver.py run_benchmark.py LOOPS [ARGUMENTS]`.

The benchmark file is unmodified. It imports pyperf, which would start processes, calibrate and measure; here it gets a
module of that name that calls the benchmark's function LOOPS times and measures nothing.
"""
import argparse
import asyncio
import os
import runpy
import sys
import time
import types


class Runner:
    def __init__(self, add_cmdline_args=None, **_):
        self.argparser = argparse.ArgumentParser()
        self.metadata = {}

    def parse_args(self):
        self.args = self.argparser.parse_args()
        return self.args

    def bench_time_func(self, name, function, *args, inner_loops=None, **_):
        function(loops, *args)

    def bench_func(self, name, function, *args, inner_loops=None, **_):
        for _ in range(loops):
            function(*args)

    def bench_async_func(self, name, function, *args, **_):
        for _ in range(loops):
            asyncio.run(function(*args))


path, loops = sys.argv[1], int(sys.argv[2])
sys.argv = [path, *sys.argv[3:]]
sys.path[0] = os.path.dirname(path)
sys.modules["pyperf"] = types.ModuleType("pyperf")
sys.modules["pyperf"].Runner = Runner
sys.modules["pyperf"].perf_counter = time.perf_counter
runpy.run_path(path, run_name="__main__")
