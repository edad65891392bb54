"""Graphs on disk, OpenVINO IR and ONNX: where their constants lie, read without a framework and without belief.

Below everything that reads or runs a graph: the proof finds weights by content, a backend's twin points at them.
"""

from parity.graphfile.places import OnnxFile, Place, ir_places, onnx_file

__all__ = ["OnnxFile", "Place", "ir_places", "onnx_file"]
