"""Hugging Face models on PyTorch, loaded with the very class that the artifact's config names.

Variants are attention implementations in the precision that the job claims, or lower precisions with eager attention:
`bf16` and `f16` turn the whole model, `autocast` the products alone, `int8` the linear layers (dynamically).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Any

import torch
import transformers
from transformers import AutoModel  # noqa: F401 - imported here, while another worker computes, and not while loading
from transformers.pytorch_utils import Conv1D

from parity.backends.job import Job, check_settings
from parity.backends.torch_taps import Station, calling, stations
from parity.errors import ParityError, Problems
from parity.families import family
from parity.tensorfile import Array
from parity.torch.weights import read_json, to_numpy

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}
_PRECISIONS = {"bf16": "bfloat16", "f16": "float16", "autocast": "float32", "int8": "float32"}
"""Variants that are precisions: what the weights are loaded in."""
_LABELS = {"autocast": "bfloat16", "int8": "int8"}
"""What is computed in, where that is not the weights' dtype."""


class Torch:
    """A model in evaluation mode; taps are read where its modules hand them on."""

    def __init__(self, job: Job) -> None:
        self._dtype = _dtype(job)
        self._variant = job.variant
        self._attention = "eager" if job.variant in _PRECISIONS else job.variant or "eager"
        self._threads = job.threads
        torch.set_num_threads(job.threads)
        torch.use_deterministic_algorithms(True)
        torch.set_float32_matmul_precision("highest")
        self._model: Any = _load(job, self._attention).to(self._dtype).eval()
        if job.variant == "int8":
            self._model = _quantised(self._model)
        self._stations, self._unavailable = stations(self._model, job.family, job.taps, attention=self._attention)
        self._taps = job.taps
        self._family, self._feed = job.family, getattr(calling(job.family), "feed", None)

    def describe(self) -> Mapping[str, str]:
        """Versions, dtype, attention implementation, and what decides how kernels round."""
        return {
            "version": torch.__version__,
            "precision": _LABELS.get(self._variant, str(self._dtype).removeprefix("torch.")),
            "transformers": transformers.__version__,
            "class": type(self._model).__name__,
            "attention": str(self._model.config._attn_implementation),
            **({"quantised by": torch.backends.quantized.engine} if self._variant == "int8" else {}),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "threads": str(torch.get_num_threads()),
        }

    def unavailable(self) -> Mapping[str, str]:
        """Taps that no module of this class hands on."""
        return self._unavailable

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """All positions of all rows; vocabulary logits at `logit_positions` only."""
        fed = {name: self._tensor(array) for name, array in inputs.items()}
        positions = fed.pop("logit_positions", None)
        if "target_mapping" in fed:
            positions = None  # the second stream has been narrowed to its targets
        found: dict[str, Any] = {}
        heads = any(station.of_head for station in self._stations.values())
        model = self._model if heads else self._model.base_model
        arguments = fed if self._feed is None else self._feed(fed, model)
        lowered = torch.autocast("cpu", torch.bfloat16, enabled=self._variant == "autocast")
        with ExitStack() as hooks, torch.inference_mode(), lowered:
            # Narrowed first: what a module is fed is kept as it is then.
            for narrowed in {id(m): m for s in self._stations.values() if (m := s.narrowed) is not None}.values():
                hooks.callback(narrowed.register_forward_pre_hook(partial(_gather, positions)).remove)
            for tap, station in self._stations.items():
                if station.module is not None and station.input:
                    handle = station.module.register_forward_pre_hook(partial(_keep_input, found, tap))
                    hooks.callback(handle.remove)
                elif station.module is not None:
                    handle = station.module.register_forward_hook(partial(_keep, found, tap, station.part))
                    hooks.callback(handle.remove)
            answer = model(
                **arguments,
                output_hidden_states=any(station.field == "hidden_states" for station in self._stations.values()),
                output_attentions=any(station.field == "attentions" for station in self._stations.values()),
                return_dict=True,
            )
        for tap, station in self._stations.items():
            if station.field is not None:
                value = answer[station.field][station.index]
                found[tap] = value[station.part] if isinstance(value, tuple) else value
            elif station.module is None:
                found[tap] = calling(self._family).answer(tap, answer, station.index, fed)
        found = {tap: _arranged(value, self._stations[tap]) for tap, value in found.items() if value is not None}
        shown = {tap: found.get(tap) for tap in self._taps if tap in self._stations}
        return {tap: to_numpy(value) for tap, value in shown.items() if value is not None}

    def _tensor(self, array: Array) -> Any:
        whole = array.dtype.kind in "iub"
        tensor = torch.from_numpy(array.astype("int64" if whole else "float32"))
        return tensor if whole else tensor.to(self._dtype)

    def close(self) -> None:
        """Drop the model."""
        self._model, self._stations = None, {}


def open(job: Job) -> Torch:  # noqa: A001 - the name every runtime module has
    """Load the artifact; `job.variant` is the attention implementation, or a lower precision.

    Settings: `dtype` runs in another precision than the job claims; `spare` lists, with commas, tensors of the artifact
    that its class is known not to use.

    Raises:
        ParityError: the folder does not hold exactly the weights of its class, or the job asks for the unknown.
    """
    return Torch(job)


def _dtype(job: Job) -> torch.dtype:
    check_settings(job, ("dtype", "spare"))
    asked = job.settings.get("dtype", _PRECISIONS.get(job.variant, job.precision))
    if asked not in DTYPES:
        raise ParityError(
            f"PyTorch does not run in {asked}", expected=f"one of {', '.join(DTYPES)}", remedy="--precision"
        )
    return DTYPES[asked]


def _load(job: Job, attention: str) -> Any:
    folder, spare = job.artifact, set(job.settings.get("spare", "").split(","))
    names = read_json(folder / "config.json").get("architectures") or []
    package = family(job.family).target
    found = getattr(import_module(package), names[0], None) if names else None
    if found is None:
        raise ParityError(
            f"{package} has no class {names[0]} (transformers {transformers.__version__})"
            if names
            else "no architectures",
            where=folder / "config.json",
            remedy="convert again, or install another transformers",
        )
    if package != "transformers":
        return found.from_pretrained(folder)
    model, loading = found.from_pretrained(
        folder, attn_implementation=attention, output_loading_info=True, local_files_only=True
    )
    problems = Problems(f"the weights are not those of {names[0]}", where=folder)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        for key in sorted(
            {str(key) for key in loading.get(kind) or ()} - (spare if kind == "unexpected_keys" else set())
        ):
            problems.add(f"{kind.removesuffix('s').replace('_', ' ')} {key}", remedy="convert again")
    problems.raise_if_any()
    return model


def _quantised(model: Any) -> Any:
    """Linear layers with int8 weights and activations quantised as they come, by fbgemm's reduced range."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in favour of a package of its own, and here all the same
        try:
            from torch.ao.quantization import quantize_dynamic
        except ImportError as error:
            raise ParityError("this PyTorch has no dynamic quantisation", got=torch.__version__) from error
        torch.backends.quantized.engine = "fbgemm"
        return quantize_dynamic(_dense(model), {torch.nn.Linear}, dtype=torch.qint8)


def _dense(model: Any) -> Any:
    """GPT's and GPT-2's convolutions of width 1 as the linear layers that they are: quantising knows no others."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Conv1D):
                linear = torch.nn.Linear(*child.weight.shape, device="meta")
                linear.weight = torch.nn.Parameter(child.weight.detach().T.contiguous())
                linear.bias = child.bias
                setattr(parent, name, linear)
    return model


def _arranged(value: Any, station: Station) -> Any:
    turned = value.transpose(0, 1) if station.turned else value
    return turned if station.without is None else turned.squeeze(station.without)


def _keep(found: dict[str, Any], tap: str, part: int, _module: Any, _arguments: Any, output: Any) -> None:
    # A module that hands on several values names its main one first.
    found[tap] = output[part] if isinstance(output, tuple | list) else output


def _keep_input(found: dict[str, Any], tap: str, _module: Any, arguments: tuple[Any, ...]) -> None:
    found[tap] = arguments[0]


def _gather(positions: Any, _module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Narrow the sequence to the traced positions before a head multiplies it with the vocabulary."""
    if positions is None:
        return None
    rows = torch.arange(len(positions))[:, None]
    return (arguments[0][rows, positions], *arguments[1:])
