"""A runtime whose one tap is the ids as floats, unless its settings make it misbehave."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from parity.backends.protocol import BatchSkipped
from parity.errors import ParityError


def abort(_settings):
    os.abort()


def exit_quietly(_settings):
    os._exit(7)


def hang(_settings):
    time.sleep(60)


def spawn_and_hang(settings):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(settings["pid_file"]).write_text(str(child.pid))
    time.sleep(60)


def eat(_settings):
    hoard = []
    while True:
        hoard.append(np.ones(8 << 20, np.uint8))
        time.sleep(0.01)


def chatter(_settings):
    os.write(1, b"out" * 100_000)
    for line in range(100_000):
        os.write(2, b"line %d of many\n" % line)


def raise_it(_settings):
    raise ValueError("the middle is\nmissing")


def run_out(_settings):
    raise MemoryError("no room")


def refuse(_settings):
    raise ParityError("the artifact is for another model", remedy="convert again")


def skip(_settings):
    raise BatchSkipped("only takes texts")


def surplus(_settings):
    return {"layer.9": np.zeros(1)}


class Well:
    def __init__(self, job):
        self.settings = job.settings
        self.number = 0
        if job.settings.get("load"):
            globals()[job.settings["load"]](job.settings)

    def describe(self):
        return {"version": "1", "precision": "float32", "threads": os.environ.get("OMP_NUM_THREADS", "the caller's")}

    def unavailable(self):
        return {}

    def run(self, inputs, *, texts):
        self.number += 1
        extra = {}
        if self.settings.get("do") and self.number == int(self.settings.get("at", 1)):
            extra = globals()[self.settings["do"]](self.settings) or {}
        assert not inputs["input_ids"].flags.writeable
        return {"embeddings": inputs["input_ids"].astype(np.float32), "inputs/fed": np.arange(3), **extra}

    def close(self):
        pass


def open(job):  # noqa: A001
    return Well(job)
