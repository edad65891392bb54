"""A frozen graph on TensorFlow's kernels, node for node: no optimizer rewrites it before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.artifacts.tfgraph.freezing import Frozen
from parity.artifacts.tfgraph.spec import Port
from parity.errors import ParityError
from parity.tensorfile import Array

_PREAMBLE = ("Graph execution error", "Detected at node", "Node:", "File ", "<stack")


class Running:
    """A session on a frozen graph."""

    def __init__(self, frozen: Frozen, *, threads: int = 1, where: str = "") -> None:
        import tensorflow as tf

        self._names = [feed.name for feed in frozen.feeds]
        graph = tf.Graph()
        try:
            with graph.as_default():
                tf.import_graph_def(frozen.graph, name="")
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise ParityError(
                f"TensorFlow cannot import the graph: {_first(error)}", where=where, remedy="take another graph"
            ) from error
        self._graph = graph
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1, device_count={"GPU": 0}
        )
        # What is certified is the authors' graph, not what an optimizer makes of it.
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        config.graph_options.optimizer_options.opt_level = -1
        self._session: Any = tf.compat.v1.Session(graph=graph, config=config)

    def dtype(self, port: Port) -> int:
        """TensorFlow's number for the type of an output."""
        try:
            return int(self._graph.get_tensor_by_name(str(port)).dtype.base_dtype.as_datatype_enum)
        except (KeyError, ValueError) as error:
            raise ParityError(f"the graph has no output {port}", remedy="check the number behind the colon") from error

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[Port]) -> list[Array]:
        """Values of outputs.

        Args:
            inputs: arrays by the name of their feed.
            outputs: what is wanted, of the frozen graph.

        Raises:
            ParityError: TensorFlow refuses, as where an array does not have the size the graph was drawn for.
        """
        import tensorflow as tf

        fed = {f"{name}:0": inputs[name] for name in self._names if name in inputs}
        try:
            found: list[Array] = self._session.run([str(port) for port in outputs], fed)
        except (tf.errors.OpError, ValueError) as error:
            raise ParityError(f"the graph does not run on this batch: {_first(error)}") from error
        return found

    def close(self) -> None:
        """End the session; a second call does nothing."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _first(error: Exception) -> str:
    """The line that says what is wrong; before it, TensorFlow tells where in Python the graph was imported."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(_PREAMBLE)), type(error).__name__)[:300]
