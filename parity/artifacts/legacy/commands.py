"""The old commands, one row each: how they are called, what their arguments mean, what their options do today.

Read in the sources of pytorch-pretrained-bert 0.6.2 and pytorch-transformers 1.x (`__main__.py`, `convert_*.py`),
transformers 2.x to 4.47 (`commands/convert.py`, `models/*/convert_*.py`) and OpenVINO 2018 to 2024 (`mo`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = {"bert": "bert", "gpt": "openai-gpt", "gpt2": "gpt2", "transfo_xl": "transfo-xl", "xlnet": "xlnet"}
"""What the old tools called an architecture, and what it is called here."""
NOT_HERE = {
    "xlm": "XLM's checkpoint is PyTorch's own already",
    "lxmert": "LXMERT's checkpoint is PyTorch's own already",
    **dict.fromkeys(("albert", "electra", "funnel", "t5", "rembert", "roberta"), "parity has no such family"),
}


@dataclass(frozen=True)
class Command:
    """One old command. Roles: checkpoint, config, out, task, vocab, kind."""

    names: tuple[tuple[str, ...], ...]
    """The words that call it."""
    kind: str | None = None
    """A key of `KINDS`; None where the option `kind` tells."""
    positional: tuple[str, ...] = ()
    """Roles in order; `?` at the end means that it may be absent."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Role of each option, by its name without dashes."""
    flags: frozenset[str] = frozenset()
    """Options that take no value."""
    short: Mapping[str, str] = field(default_factory=dict)
    """One-letter spellings."""
    required: tuple[str, ...] = ("checkpoint", "out")
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Options accepted without effect, and why there is none."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Options that changed the result in a way that is not offered here, and what to do."""


_PROGRAMS = ("pytorch_transformers", "pytorch_pretrained_bert", "transformers")


def _positional(kind: str, older: str, *roles: str) -> Command:
    names = tuple((program, kind) for program in _PROGRAMS)
    return Command((*names, ("pytorch_pretrained_bert", older)), kind, roles)


def _script(kind: str, *names: str, **options: str) -> Command:
    required = ("checkpoint", "out", *(("config",) if kind in ("bert", "xlnet") else ()))
    return Command(tuple((name,) for name in names), kind, options=options, required=required)


MO = Command(
    (("mo",), ("mo_tf",), ("model_optimizer",)),
    options={
        "input_model": "checkpoint",
        "input_meta_graph": "meta",
        "input": "inputs",
        "output": "outputs",
        "input_shape": "shapes",
        "data_type": "data_type",
        "compress_to_fp16": "half",
        "model_name": "name",
        "output_dir": "out",
        "framework": "framework",
    },
    short={"w": "input_model", "m": "input_model", "n": "model_name", "o": "output_dir", "b": "batch", "s": "scale"},
    required=(),
    ignored={
        "disable_nhwc_to_nchw": "this model has no images whose layout could change",
        "log_level": "nothing is logged",
        "silent": "nothing is logged",
        "progress": "nothing is logged",
        "stream_output": "nothing is logged",
        "tensorboard_logdir": "no log is written",
        "keep_shape_ops": "shapes stay in the graph",
        "static_shape": "shapes are as --input and --input_shape say",
        "disable_fusing": "no operation is fused",
        "disable_gfusing": "no operation is fused",
        "finegrain_fusing": "no operation is fused",
        "disable_resnet_optimization": "this is no ResNet",
        "enable_concat_optimization": "no such optimization is made",
        "disable_weights_compression": "weights stay as they are",
        "use_new_frontend": "there is one frontend",
        "use_legacy_frontend": "there is one frontend",
        "generate_experimental_IR_V10": "today's IR is written",
        "generate_deprecated_IR_V7": "today's IR is written",
        "legacy_ir_generation": "today's IR is written",
    },
    flags=frozenset(
        {
            "disable_nhwc_to_nchw", "silent", "progress", "stream_output", "keep_shape_ops", "static_shape",
            "disable_fusing", "disable_gfusing", "disable_resnet_optimization", "enable_concat_optimization",
            "disable_weights_compression", "use_new_frontend", "use_legacy_frontend", "legacy_ir_generation",
            "generate_experimental_IR_V10", "generate_deprecated_IR_V7", "compress_to_fp16",
            "input_model_is_text", "reverse_input_channels",
        }
    ),
    refused={
        **dict.fromkeys(
            ("mean_values", "scale_values", "scale", "reverse_input_channels", "layout", "source_layout"),
            "it is for images",
        ),
        "target_layout": "it is for images",
        "batch": "write the sizes in --input, as in Placeholder[1 128]",
        "freeze_placeholder_with_value": "feed the value instead",
        "input_checkpoint": "give the metagraph (--input_meta_graph), or a frozen graph",
        "input_model_is_text": "give the graph in its binary form",
        "saved_model_dir": "give the metagraph (--input_meta_graph), or a frozen graph",
        "saved_model_tags": "give the metagraph (--input_meta_graph), or a frozen graph",
        **dict.fromkeys(
            ("extensions", "transform", "transformations_config", "tensorflow_custom_operations_config_update"),
            "code of others is not run here",
        ),
        "tensorflow_use_custom_operations_config": "code of others is not run here",
        "tensorflow_object_detection_api_pipeline_config": "this is no object detector",
        "tensorflow_custom_layer_libraries": "code of others is not run here",
    },
)  # fmt: skip

_CLI = Command(
    (("transformers_cli", "convert"), ("transformers", "convert")),
    options={
        "model_type": "kind",
        "tf_checkpoint": "checkpoint",
        "pytorch_dump_output": "out",
        "config": "config",
        "finetuning_task_name": "task",
    },
    required=("kind", "checkpoint", "out"),
)

COMMANDS: tuple[Command, ...] = (
    _positional("bert", "convert_tf_checkpoint_to_pytorch", "checkpoint", "config", "out"),
    _positional("gpt", "convert_openai_checkpoint", "checkpoint", "out", "config?"),
    _positional("transfo_xl", "convert_transfo_xl_checkpoint", "checkpoint", "out", "config?"),
    _positional("gpt2", "convert_gpt2_checkpoint", "checkpoint", "out", "config?"),
    _positional("xlnet", "convert_xlnet_checkpoint", "checkpoint", "config", "out", "task?"),
    _CLI,
    _script(
        "bert",
        "convert_tf_checkpoint_to_pytorch",
        "convert_bert_original_tf_checkpoint_to_pytorch",
        "convert_bert_original_tf2_checkpoint_to_pytorch",
        tf_checkpoint_path="checkpoint",
        bert_config_file="config",
        pytorch_dump_path="out",
    ),
    _script(
        "gpt",
        "convert_openai_checkpoint_to_pytorch",
        "convert_openai_original_tf_checkpoint_to_pytorch",
        openai_checkpoint_folder_path="checkpoint",
        openai_config_file="config",
        pytorch_dump_folder_path="out",
    ),
    _script(
        "gpt2",
        "convert_gpt2_checkpoint_to_pytorch",
        "convert_gpt2_original_tf_checkpoint_to_pytorch",
        gpt2_checkpoint_path="checkpoint",
        gpt2_config_file="config",
        pytorch_dump_folder_path="out",
    ),
    _script(
        "transfo_xl",
        "convert_transfo_xl_checkpoint_to_pytorch",
        "convert_transfo_xl_original_tf_checkpoint_to_pytorch",
        tf_checkpoint_path="checkpoint",
        transfo_xl_config_file="config",
        transfo_xl_dataset_file="vocab",
        pytorch_dump_folder_path="out",
    ),
    _script(
        "xlnet",
        "convert_xlnet_checkpoint_to_pytorch",
        "convert_xlnet_original_tf_checkpoint_to_pytorch",
        tf_checkpoint_path="checkpoint",
        xlnet_config_file="config",
        pytorch_dump_folder_path="out",
        finetuning_task="task",
    ),
    MO,
)
