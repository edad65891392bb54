"""Writes the checkpoints beside this file with TensorFlow 2.21; run `python make.py` in an empty copy of this folder.

`expected.json` holds the SHA-256 of every tensor's bytes, taken from the arrays that were fed to TensorFlow
(V2 bundles only; the others must be refused).
"""

import hashlib
import json
import logging
from pathlib import Path

import ml_dtypes
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
HERE = Path(__file__).parent
FILLED = np.random.default_rng(20)
EXPECTED: dict[str, dict[str, dict[str, object]]] = {}

DTYPES = [
    "float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool",
]  # fmt: skip


def values(dtype, shape):
    """Seeded values; non-finite and extreme ones are among the floats."""
    if dtype == "bool":
        return FILLED.random(shape) < 0.5
    if dtype.startswith(("int", "uint")):
        info = np.iinfo(dtype)
        return FILLED.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True)
    array = FILLED.normal(size=shape).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    if array.size > 3:
        array.reshape(-1)[:3] = [np.nan, np.inf, -0.0]
    return array


def note(case, name, array):
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    EXPECTED.setdefault(case, {})[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": digest}


def variable(case, name, array, **options):
    note(case, name, array)
    return v1.get_variable(name, initializer=tf.constant(array), use_resource=False, **options)


def partitioned(case, name, array, partitioner):
    note(case, name, array)

    def part(shape, dtype=None, partition_info=None):
        starts = partition_info.var_offset if partition_info else [0] * len(shape)
        return tf.constant(array[tuple(slice(at, at + n) for at, n in zip(starts, shape, strict=True))])

    return v1.get_variable(
        name, shape=array.shape, dtype=array.dtype, initializer=part, partitioner=partitioner, use_resource=False
    )


def save(case, build, *, target="", **options):
    folder = HERE / case
    folder.mkdir()
    with tf.Graph().as_default():
        build(case)
        saver = v1.train.Saver(**options)
        with v1.Session(target) as session:
            session.run(v1.global_variables_initializer())
            saver.save(session, str(folder / "model.ckpt"), write_meta_graph=False, write_state=False)


def every_dtype(case):
    for dtype in DTYPES:
        variable(case, f"{dtype}/matrix", values(dtype, (3, 5)))
    variable(case, "scalar", np.array(7, np.int64))
    variable(case, "empty", np.zeros((0, 3), np.float32))
    variable(case, "a/deep/scope_1/with.dots-and-dashes/kernel", values("float32", (2, 1, 3)))


def slices(case):
    partitioned(case, "rows", values("float32", (7, 3)), v1.fixed_size_partitioner(3, axis=0))
    partitioned(case, "columns", values("float32", (3, 200)), v1.fixed_size_partitioner(2, axis=1))
    partitioned(case, "cube", values("bfloat16", (2, 5, 3)), v1.fixed_size_partitioner(4, axis=1))
    partitioned(case, "long", values("uint8", (16_500,)), v1.fixed_size_partitioner(2))
    partitioned(case, "one", values("float32", (2, 2)), v1.fixed_size_partitioner(1))
    variable(case, "whole", values("float64", (4,)))


def across(case):
    with v1.device("/job:worker/task:0"):
        variable(case, "first", values("float32", (2, 3)))
        variable(case, "second", values("int16", (5,)))
    with v1.device(v1.train.replica_device_setter(ps_tasks=3, ps_device="/job:worker")):
        partitioned(case, "spread", values("float32", (10, 4)), v1.fixed_size_partitioner(3))


def old_format(case):
    partitioned(case, "rows", values("float32", (7, 3)), v1.fixed_size_partitioner(3, axis=0))
    variable(case, "whole", values("float64", (4,)))
    del EXPECTED[case]


def with_strings(case):
    variable(case, "words", np.array([b"one", b"two"], dtype=object))
    variable(case, "numbers", values("float32", (2,)))
    EXPECTED[case].pop("words")


def main():
    logging.disable(logging.WARNING)
    save("dtypes", every_dtype)
    save("slices", slices)
    save("slices_sharded", slices, sharded=True)
    save("strings", with_strings)
    save("v1", old_format, write_version=v1.train.SaverDef.V1)
    save("v1_sharded", old_format, write_version=v1.train.SaverDef.V1, sharded=True)
    servers = [v1.train.Server({"worker": [f"localhost:{23450 + i}" for i in range(3)]}, "worker", i) for i in range(3)]
    save("three_shards", across, sharded=True, target=servers[0].target)
    with tf.init_scope():
        module = tf.Module()
        module.kernel = tf.Variable(np.ones((2, 3), np.float32), name="kernel")
        tf.train.Checkpoint(model=module).write(str(HERE / "object_based" / "model.ckpt"))
    (HERE / "expected.json").write_text(json.dumps(EXPECTED, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
