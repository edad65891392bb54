"""What Transformer-XL's classes share: their config, what they hand on, and how they are loaded."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from parity.families.transfo_xl.config import read_config
from parity.families.transfo_xl.numbers import TransfoXLConfig as Numbers
from parity.torch.weights import fill, read_json, read_weights

PREFIX = "transformer."
_BUFFER = "pos_emb.inv_freq"
_AUTO = frozenset(
    {
        "_commit_hash",
        "_from_auto",
        "adapter_kwargs",
        "attn_implementation",
        "cache_dir",
        "code_revision",
        "config",
        "force_download",
        "local_files_only",
        "low_cpu_mem_usage",
        "proxies",
        "resume_download",
        "revision",
        "subfolder",
        "token",
        "torch_dtype",
        "trust_remote_code",
        "use_auth_token",
        "use_safetensors",
    }
)
"""Options of a hub and of Auto classes: a folder has one revision, and its config.json is read again."""
_ALIASES = {"n_token": "vocab_size", "hidden_size": "d_model", "num_attention_heads": "n_head"}


class TransfoXLConfig:
    """The keys of config.json as attributes; `numbers` is what they mean.

    Args:
        keys: as in config.json or model_flags.json.

    Raises:
        ParityError: flags missing or contradicting each other.
    """

    model_type: ClassVar[str] = "transfo-xl"

    def __init__(self, *, where: Path = Path("config.json"), **keys: Any) -> None:
        self.numbers: Numbers = read_config(keys, where=where)
        self.vocab_size, self.num_hidden_layers = self.numbers.vocab_size, self.numbers.layers
        self.__dict__.update({key: value for key, value in keys.items() if key != "model_type"})
        self.__dict__.update({new: getattr(self, old) for new, old in _ALIASES.items()})
        self._attn_implementation = "eager"
        self._keys = {**keys, "model_type": self.model_type}

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read a directory's config.json."""
        path = Path(folder) / "config.json"
        return cls(where=path, **read_json(path))

    def to_dict(self) -> dict[str, Any]:
        """The keys again."""
        return dict(self._keys)


@dataclass
class TransfoXLOutput:
    """What a forward pass hands on; by attribute, by key, or, for what is there, by number."""

    loss: torch.Tensor | None = None
    """Mean of `losses`."""
    losses: torch.Tensor | None = None
    """-log p of each label but the first of a row [B,T-1]; 0 where the label is -100."""
    prediction_scores: torch.Tensor | None = None
    """Log-probabilities over the whole vocabulary, in its order [B,T,V]; also as `logits`."""
    last_hidden_state: torch.Tensor | None = None
    """[B,T,D]."""
    mems: list[torch.Tensor] | None = None
    """What each layer was given, to be fed with the next segment: one [M,B,D] for each layer."""
    hidden_states: tuple[torch.Tensor, ...] | None = None
    """Embeddings and every layer's output [B,T,D], if asked for."""
    attentions: tuple[torch.Tensor, ...] | None = None
    """[B,N,T,M+T] for each layer, if asked for."""

    @property
    def logits(self) -> torch.Tensor | None:
        """`prediction_scores`."""
        return self.prediction_scores

    def to_tuple(self) -> tuple[Any, ...]:
        """What is there, in order."""
        every = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in every if value is not None)

    def __getitem__(self, key: str | int) -> Any:
        return getattr(self, key) if isinstance(key, str) else self.to_tuple()[key]


class Pretrained(nn.Module):
    """What both classes have: loading, and where they are."""

    config_class = TransfoXLConfig
    base_model_prefix = PREFIX.removesuffix(".")
    config: TransfoXLConfig

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> Self:
        """Load a directory that `parity convert` wrote, or that transformers saved of its own class.

        Args:
            folder: config.json beside model.safetensors or pytorch_model.bin.
            options: `dtype` or `torch_dtype`, a `torch.dtype`; what the Auto classes pass besides is of no effect.

        Raises:
            ParityError: no such directory, or weights that are not exactly those of this class.
            TypeError: another option.
        """
        dtype = options.pop("dtype", None) or options.pop("torch_dtype", None)
        unknown = sorted(options.keys() - _AUTO)
        if unknown:
            raise TypeError(f"{cls.__name__}.from_pretrained has no option {', '.join(unknown)}")
        path = Path(folder)
        model: Self = cls(TransfoXLConfig.from_pretrained(path))
        fill(model, model.named(read_weights(path)), where=path)
        model.to(dtype if isinstance(dtype, torch.dtype) else torch.float32).eval()
        return model

    def named(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The file's tensors under this class's names."""
        return {name: weight for name, weight in weights.items() if not name.endswith(_BUFFER)}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.pop(f"{prefix}{_BUFFER}", None)  # numbers that transformers stored and this class computes
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @property
    def device(self) -> torch.device:
        """Where the parameters lie."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the parameters are."""
        return next(self.parameters()).dtype
