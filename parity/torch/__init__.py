"""PyTorch modules for architectures that transformers no longer has; needs PyTorch, and not transformers.

`from parity.torch import TransfoXLLMHeadModel; model = TransfoXLLMHeadModel.from_pretrained("DIR")` loads what
`parity convert` wrote. After `parity.torch.register()` the Auto classes of transformers find it, too.
"""

from __future__ import annotations

from parity.torch.auto import register
from parity.torch.pretrained import TransfoXLConfig
from parity.torch.transfo_xl import TransfoXLLMHeadModel, TransfoXLModel

__all__ = ["TransfoXLConfig", "TransfoXLLMHeadModel", "TransfoXLModel", "register"]
