from __future__ import annotations

import importlib.util
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from parity.checkpoints import sstable
from parity.checkpoints.entry import CODES
from parity.tensorfile import numpy_dtype

from .support import content, read, write


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow: pip install parity[tensorflow]"
)
@pytest.mark.parametrize("shards", [1, 3])
def test_tensorflow_reads_what_we_write(tmp_path: Path, shards: int) -> None:
    import tensorflow as tf

    random = np.random.default_rng(3)
    arrays = {
        f"{dtype}/kernel": (random.normal(size=(3, 4, 5)) * 50).astype(numpy_dtype(dtype))
        for dtype in sorted(set(CODES) - {"string"})
    }
    arrays |= {"слой/ядро": np.array(1.5, np.float32), "empty": np.zeros((0, 7), np.float16)}
    arrays["transposed"] = arrays["float32/kernel"].T
    arrays |= {f"bert/encoder/layer_{i}/bias": np.array([i], np.int32) for i in range(300)}
    names = list(arrays)
    random.shuffle(names)
    with mock.patch.object(sstable, "_BLOCK", 512):  # an index of many blocks, for its separators to matter
        write(tmp_path / "model.ckpt", {name: arrays[name] for name in names}, shards=shards)
    prefix = str(tmp_path / "model.ckpt")
    assert dict(tf.train.list_variables(prefix)) == {name: list(array.shape) for name, array in arrays.items()}
    reader = tf.train.load_checkpoint(prefix)
    assert content({name: reader.get_tensor(name) for name in arrays}) == content(arrays) == content(read(tmp_path))
