"""Writing OpenAI GPT's trained parameters as joblib writes a list of arrays: what train.py's joblib.load reads.

The pickle is spelt out by hand, instruction for instruction as joblib's own (protocol 3), so that a file read here and
written again is the same byte for byte; see `parity.checkpoints.joblib` for what it says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from parity.checkpoints.openai import CLASSIFIER, JOINED, layer_shapes, named
from parity.errors import ParityError
from parity.tensorfile import Array, TensorSpec

NAME = "best_params.jl"
_ALIGNED = 16
_MOST = 1000
"""Arrays in one list: beyond it a pickle is told in batches."""


def write_joblib(path: Path, specs: Sequence[TensorSpec], arrays: Iterable[Array]) -> tuple[Path, ...]:
    """Write the list; an existing one is replaced. It appears whole or not at all.

    Args:
        path: the file; its folder must exist.
        specs: name, dtype (float32) and shape of each tensor, in any order: `model/we`, blocks, and the classifier.
        arrays: the tensors, one per spec and in the order of `specs`, taken one at a time; any memory layout.

    Returns:
        The file.

    Raises:
        ParityError: names or shapes that are not a trained GPT's, another dtype, an array that is not as announced, or
            a disk that refuses.
    """
    by_name = {spec.name: spec for spec in specs}
    layers = sum(name.endswith("/attn/c_attn/w") for name in by_name)
    order = [*JOINED, *(f"model/h{i}/{name}" for i in range(layers) for name, _ in layer_shapes(1))]
    order += [name for name in CLASSIFIER if name in by_name]
    odd = sorted(set(order) ^ set(by_name))
    if odd or len(by_name) != len(specs) or len(order) > _MOST:
        got = ", ".join(odd[:5]) or f"{len(specs)} variables"
        raise ParityError("these variables are not those of a trained GPT", where=path, got=got)
    named([by_name[name].shape for name in order], JOINED, where=path, ends=CLASSIFIER)
    heads, begins, at = _heads([by_name[name] for name in order])
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    supply = iter(arrays)
    try:
        with part.open("wb", buffering=0) as file:
            for head, begin in zip(heads, begins, strict=True):
                _write(file.fileno(), begin - len(head), memoryview(head))
            places = dict(zip(order, begins, strict=True))
            for spec in specs:
                _write(file.fileno(), places[spec.name], _bytes(path, spec, next(supply, None)))
            _write(file.fileno(), at, memoryview(b"e."))
            if next(supply, None) is not None:
                raise ParityError("more arrays than announced", where=path, remedy="report this as a bug")
        part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ParityError(f"cannot be written: {reason}", where=path, remedy="check permissions and space") from error
    finally:
        part.unlink(missing_ok=True)
    return (path,)


class _Memo:
    """Numbers of what the pickle has named so far: the next thing named gets the next."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._next = 0

    def put(self) -> bytes:
        number, self._next = self._next, self._next + 1
        return b"q" + bytes([number]) if number < 256 else b"r" + number.to_bytes(4, "little")

    def once(self, name: str, spelt: bytes) -> bytes:
        """Spelt where it is met first, and a reference after that."""
        if name in self._known:
            return b"h" + bytes([self._known[name]])
        self._known[name] = self._next
        return spelt + self.put()

    def text(self, text: str) -> bytes:
        return self.once(text, b"X" + len(text).to_bytes(4, "little") + text.encode())


def _heads(specs: Sequence[TensorSpec]) -> tuple[list[bytes], list[int], int]:
    """What stands before each array's bytes, where those begin, and where the last ones end."""
    memo, at = _Memo(), 0
    heads: list[bytes] = []
    begins: list[int] = []
    for number, spec in enumerate(specs):
        head = b"" if number else b"\x80\x03]" + memo.put() + b"("
        head += _wrapper(memo, spec.shape)
        # The bytes begin at a multiple of 16; one byte says how many stand between.
        filling = _ALIGNED - (at + len(head) + 1) % _ALIGNED
        head += bytes([filling]) + b"\xff" * filling
        heads.append(head)
        begins.append(at + len(head))
        at = begins[-1] + spec.nbytes
    return heads, begins, at


def _wrapper(memo: _Memo, shape: tuple[int, ...]) -> bytes:
    made = (
        memo.once("class", b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n")
        + b")\x81"
        + memo.put()
        + b"}"
        + memo.put()
        + b"("
    )
    made += memo.text("subclass") + memo.once("array", b"cnumpy\nndarray\n")
    made += (
        memo.text("shape")
        + b"".join(map(_number, shape))
        + b"\x84\x85\x86\x87"[len(shape) : len(shape) + 1]
        + memo.put()
    )
    made += memo.text("order") + memo.text("C") + memo.text("dtype") + _dtype(memo)
    made += memo.text("allow_mmap") + b"\x88" + memo.text("numpy_array_alignment_bytes") + _number(_ALIGNED)
    return made + b"ub"


def _dtype(memo: _Memo) -> bytes:
    if "made" in memo._known:
        return memo.once("made", b"")
    made = memo.once("dtype class", b"cnumpy\ndtype\n") + memo.text("f4") + b"K\x00K\x01\x87" + memo.put()
    made = memo.once("made", made + b"R")
    return made + b"(K\x03" + memo.text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t" + memo.put() + b"b"


def _number(value: int) -> bytes:
    if value < 1 << 8:
        return b"K" + bytes([value])
    return b"M" + value.to_bytes(2, "little") if value < 1 << 16 else b"J" + value.to_bytes(4, "little")


def _bytes(path: Path, spec: TensorSpec, array: Array | None) -> memoryview:
    if array is None or array.dtype != np.dtype("<f4") or array.shape != spec.shape:
        raise ParityError(
            f"tensor {spec.name} is not as announced, or not float32",
            where=path,
            got="nothing" if array is None else f"{array.dtype}{array.shape}",
            expected=f"float32{spec.shape}",
            remedy="only float32 can be written in this format",
        )
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write(descriptor: int, at: int, data: memoryview) -> None:
    while data:
        done = os.pwrite(descriptor, data[: 1 << 26], at)
        data, at = data[done:], at + done
