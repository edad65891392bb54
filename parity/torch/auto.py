"""Transformer-XL for the Auto classes of transformers, 4 and 5."""

from __future__ import annotations

from parity.errors import MissingRuntime
from parity.torch.pretrained import TransfoXLConfig
from parity.torch.transfo_xl import TransfoXLLMHeadModel, TransfoXLModel


def register() -> None:
    """Let `AutoModel` and `AutoModelForCausalLM` load directories of model type `transfo-xl` with these classes.

    Raises:
        MissingRuntime: transformers is not installed.
    """
    try:
        from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PretrainedConfig
    except ImportError as error:
        raise MissingRuntime("the Auto classes are those of transformers", remedy="pip install transformers") from error

    class Registered(PretrainedConfig):
        model_type = TransfoXLConfig.model_type

    # The classes are told apart by this name; each reads the directory's config.json again.
    Registered.__name__ = TransfoXLConfig.__name__
    AutoConfig.register(TransfoXLConfig.model_type, Registered, exist_ok=True)
    AutoModel.register(Registered, TransfoXLModel, exist_ok=True)
    AutoModelForCausalLM.register(Registered, TransfoXLLMHeadModel, exist_ok=True)
