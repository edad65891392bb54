"""The authors' own graphs (`.meta`, frozen `.pb`): read without belief, frozen by our own hand, run or converted.

`spec` parses `--input` and `--output`, `reading` takes a file apart, `operations` says what may run, `freezing` makes a
small graph of arithmetic, `bert` knows where a BERT's inputs and taps are, `running` runs it on TensorFlow, `convert`
makes an OpenVINO IR of it. Nothing here loads TensorFlow before a graph is read.
"""

from parity.artifacts.tfgraph.spec import InputSpec, Port, parse_inputs, parse_outputs

__all__ = ["InputSpec", "Port", "parse_inputs", "parse_outputs"]
