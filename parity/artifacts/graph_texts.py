"""Every Hugging Face class that a graph can be drawn of, and the text that says what it computes."""

from __future__ import annotations

from collections.abc import Mapping

from parity.artifacts import graph_bert, graph_gpt, graph_gpt2, graph_transfo_xl, graph_xlnet
from parity.artifacts.graph_export import Text

TEXTS: Mapping[str, Text] = {
    **graph_bert.TEXTS,
    **graph_gpt2.TEXTS,
    **graph_gpt.TEXTS,
    **graph_xlnet.TEXTS,
    **graph_transfo_xl.TEXTS,
}
