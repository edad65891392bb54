"""NumPy's float32 reference, whose answer also depends on what its setting `on` names."""

import dataclasses

import numpy as np

from parity.backends import oracle

STEP = np.float32(1e-3)


def padding(values, fed, _session):
    return values + STEP * fed["input_ids"].shape[1]


def company(values, fed, _session):
    return values + STEP * len(fed["input_ids"])


def place(values, _fed, _session):
    return values + STEP * np.arange(len(values), dtype=np.float32).reshape(-1, *(1,) * (values.ndim - 1))


def counter(values, _fed, session):
    return values + STEP * session.calls


def one_bit(values, _fed, session):
    changed = values.copy()
    changed.reshape(-1)[0] = np.nextafter(changed.reshape(-1)[0], np.float32(np.inf if session.calls > 1 else -np.inf))
    return changed


def threads(values, _fed, session):
    return values + STEP * session.job.threads


def dropout(values, _fed, session):
    return values * (session.dice.random(values.shape) > 0.1).astype(np.float32)


def nan_later(values, _fed, session):
    return values * np.float32(np.nan if session.calls > 1 else 1)


def nothing(values, _fed, _session):
    return values


class Fickle:
    def __init__(self, job):
        self.job, self.calls, self.dice = job, 0, np.random.default_rng(3)
        self._answer = globals()[job.settings["on"]]
        self._inner = oracle.open(dataclasses.replace(job, settings={}))

    def describe(self):
        return self._inner.describe()

    def unavailable(self):
        return {}

    def run(self, inputs, *, texts):
        self.calls += 1
        found = self._inner.run(inputs, texts=texts)
        return {tap: self._answer(values, inputs, self) for tap, values in found.items()}

    def close(self):
        self._inner.close()


def open(job):  # noqa: A001
    return Fickle(job)
