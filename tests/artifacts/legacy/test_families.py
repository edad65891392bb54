"""The old lines of the other families on the originals' tiny checkpoints: a folder with weights, config and proof."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import GOLDENS, tree

from parity.artifacts.legacy import Done, run_legacy
from parity.artifacts.legacy.checkpoints import _settings
from parity.artifacts.verify import verify
from parity.checkpoints import open_checkpoint, write_bundle
from parity.errors import ParityError
from parity.families import family
from parity.tensorfile import TensorSpec

torch = pytest.importorskip("torch", reason='pip install "parity[torch]"')

GPT, GPT2, TRANSFO_XL = GOLDENS / "gpt", GOLDENS / "gpt2", GOLDENS / "transfo_xl_div4_wt103"
XLNET = GOLDENS / "xlnet_pretrain"
GPT_CONFIG = {"n_head": 4, "n_layer": 3, "n_embd": 64, "n_positions": 40, "vocab_size": 193}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """A shell in a tutorial's folder: variables expand, and the output's folder was made beforehand."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTORCH_DUMP_OUTPUT", "out")
    (tmp_path / "out").mkdir()

    def shell(line: str, *, force: bool = False, **variables: Path) -> Done:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        return run_legacy(shlex.split(os.path.expandvars(line.replace("\\\n", " "))), force=force)

    return shell


def state(folder: Path) -> dict[str, Any]:
    return dict(torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True))


def without(folder: Path, source: Path, *names: str) -> Path:
    """A copy without some files."""
    return Path(shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*names)))


GPT2_LINES = (
    "pytorch_transformers gpt2 \\\n  $GPT2_DIR/model.ckpt \\\n  $PYTORCH_DUMP_OUTPUT",
    "pytorch_pretrained_bert convert_gpt2_checkpoint \\\n  $GPT2_DIR/model.ckpt \\\n  $PYTORCH_DUMP_OUTPUT",
    "transformers-cli convert --model_type gpt2 \\\n  --tf_checkpoint $GPT2_DIR/model.ckpt \\\n"
    "  --pytorch_dump_output $PYTORCH_DUMP_OUTPUT \\\n  --config $GPT2_DIR/hparams.json",
    "transformers-cli convert --model_type gpt2 --tf_checkpoint $GPT2_DIR --config $GPT2_DIR "
    "--pytorch_dump_output $PYTORCH_DUMP_OUTPUT",
    "transformers-cli convert --model_type gpt2 --tf_checkpoint $GPT2_DIR --config $GPT2_DIR "
    "--pytorch_dump_output $PYTORCH_DUMP_OUTPUT",
    "python convert_gpt2_checkpoint_to_pytorch.py --gpt2_checkpoint_path $GPT2_DIR "
    "--pytorch_dump_folder_path $PYTORCH_DUMP_OUTPUT",
)


@pytest.mark.parametrize("line", GPT2_LINES)
def test_gpt2(run: Callable[..., Done], tmp_path: Path, line: str) -> None:
    done = run(line, GPT2_DIR=GPT2)
    out = tmp_path / "out"
    assert {"pytorch_model.bin", "config.json", "conversion.json", "vocab.json", "merges.txt"} <= tree(out)
    assert {"wte.weight", "h.0.attn.c_attn.weight", "ln_f.bias"} <= state(out).keys()
    assert json.loads((out / "config.json").read_text())["architectures"] == ["GPT2Model"]
    assert verify(out, source=GPT2).source_tensors == 52
    assert "--family gpt2" in done.modern


def test_without_a_vocabulary_the_weights_alone_come(run: Callable[..., Done], tmp_path: Path) -> None:
    bare = without(tmp_path / "bare", GPT2, "vocab.bpe", "encoder.json")
    done = run(GPT2_LINES[0], GPT2_DIR=bare)
    assert tree(tmp_path / "out") == {"pytorch_model.bin", "config.json", "conversion.json"}
    assert "no vocabulary beside the checkpoint: no tokenizer files are written" in done.said
    assert done.modern.endswith("--format bin --no-tokenizer")


def test_what_lies_in_the_folder_stays_or_refuses(run: Callable[..., Done], tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "notes.txt").write_text("mine")
    (out / "merges.txt").write_text("mine, too")
    with pytest.raises(ParityError, match=r"merges.txt is already there"):
        run(GPT2_LINES[0], GPT2_DIR=GPT2)
    assert tree(out) == {"notes.txt", "merges.txt"}
    run(GPT2_LINES[0], GPT2_DIR=GPT2, force=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "merges.txt").read_text() != "mine, too"


def test_the_checkpoints_own_folder_may_be_the_output(run: Callable[..., Done], tmp_path: Path) -> None:
    own = without(tmp_path / "own", GPT2)
    before = {path.name: path.read_bytes() for path in own.iterdir()}
    run("pytorch_transformers gpt2 $GPT2_DIR/model.ckpt $GPT2_DIR", GPT2_DIR=own)
    assert {name: (own / name).read_bytes() for name in before} == before
    assert verify(own, source=GPT2).source_tensors == 52


@pytest.mark.parametrize(
    "line",
    [
        "pytorch_transformers gpt \\\n  $OPENAI_GPT_CHECKPOINT_FOLDER_PATH \\\n  $PYTORCH_DUMP_OUTPUT \\\n  $CONFIG",
        "pytorch_pretrained_bert convert_openai_checkpoint $OPENAI_GPT_CHECKPOINT_FOLDER_PATH $PYTORCH_DUMP_OUTPUT "
        "$CONFIG",
        "transformers-cli convert --model_type gpt --tf_checkpoint $OPENAI_GPT_CHECKPOINT_FOLDER_PATH --config $CONFIG "
        "--pytorch_dump_output $PYTORCH_DUMP_OUTPUT",
        "python -m transformers.convert_openai_original_tf_checkpoint_to_pytorch --openai_checkpoint_folder_path "
        "$OPENAI_GPT_CHECKPOINT_FOLDER_PATH --pytorch_dump_folder_path $PYTORCH_DUMP_OUTPUT "
        "--openai_config_file $CONFIG",
    ],
)
def test_openai_gpt(run: Callable[..., Done], tmp_path: Path, line: str) -> None:
    source = without(tmp_path / "gpt", GPT, "finetuned")
    (tmp_path / "gpt.json").write_text(json.dumps(GPT_CONFIG))
    run(line, OPENAI_GPT_CHECKPOINT_FOLDER_PATH=source, CONFIG=tmp_path / "gpt.json")
    out = tmp_path / "out"
    assert {"vocab.json", "merges.txt"} <= tree(out)
    assert {"tokens_embed.weight", "positions_embed.weight", "h.0.attn.c_attn.weight"} <= state(out).keys()
    assert json.loads((out / "config.json").read_text())["architectures"] == ["OpenAIGPTModel"]
    assert verify(out, source=source).source_tensors == verify(out).tensors


@pytest.mark.parametrize(
    "line",
    [
        "pytorch_transformers transfo_xl \\\n  $TRANSFO_XL_CHECKPOINT_FOLDER_PATH \\\n  $PYTORCH_DUMP_OUTPUT",
        "transformers-cli convert --model_type transfo_xl --tf_checkpoint $TRANSFO_XL_CHECKPOINT_FOLDER_PATH "
        "--config $TRANSFO_XL_CHECKPOINT_FOLDER_PATH/model_flags.json --pytorch_dump_output $PYTORCH_DUMP_OUTPUT",
        "python convert_transfo_xl_checkpoint_to_pytorch.py --tf_checkpoint_path "
        "$TRANSFO_XL_CHECKPOINT_FOLDER_PATH/model.ckpt-0 --transfo_xl_config_file "
        "$TRANSFO_XL_CHECKPOINT_FOLDER_PATH/model_flags.json --pytorch_dump_folder_path $PYTORCH_DUMP_OUTPUT",
    ],
)
def test_transformer_xl(run: Callable[..., Done], tmp_path: Path, line: str) -> None:
    source = without(tmp_path / "xl", TRANSFO_XL, "cache.pkl")
    run(line, TRANSFO_XL_CHECKPOINT_FOLDER_PATH=source)
    out = tmp_path / "out"
    assert {"transformer.word_emb.emb_layers.0.weight", "crit.cluster_weight"} <= state(out).keys()
    assert json.loads((out / "config.json").read_text())["architectures"] == ["TransfoXLLMHeadModel"]
    assert verify(out, source=source).tensors > 50


def test_transformer_xls_vocabulary_comes_with_it(run: Callable[..., Done], tmp_path: Path) -> None:
    run(
        "python convert_transfo_xl_checkpoint_to_pytorch.py --tf_checkpoint_path $XL/model.ckpt-0 "
        "--transfo_xl_config_file $XL/model_flags.json --transfo_xl_dataset_file $XL/cache.pkl "
        "--pytorch_dump_folder_path $PYTORCH_DUMP_OUTPUT",
        XL=TRANSFO_XL,
    )
    assert {"vocab.txt", "tokenizer_config.json"} <= tree(tmp_path / "out")
    assert verify(tmp_path / "out", source=TRANSFO_XL).tensors > 50


XLNET_LINES = (
    "pytorch_transformers xlnet \\\n  $TRANSFO_XL_CHECKPOINT_PATH \\\n  $TRANSFO_XL_CONFIG_PATH \\\n"
    "  $PYTORCH_DUMP_OUTPUT \\\n  {task}",
    "transformers-cli convert --model_type xlnet \\\n  --tf_checkpoint $TRANSFO_XL_CHECKPOINT_PATH \\\n"
    "  --config $TRANSFO_XL_CONFIG_PATH \\\n  --pytorch_dump_output $PYTORCH_DUMP_OUTPUT --finetuning_task_name={task}",
    "python convert_xlnet_checkpoint_to_pytorch.py --tf_checkpoint_path $TRANSFO_XL_CHECKPOINT_PATH "
    "--xlnet_config_file $TRANSFO_XL_CONFIG_PATH --pytorch_dump_folder_path $PYTORCH_DUMP_OUTPUT "
    "--finetuning_task {task}",
)


def fine_tuned(folder: Path, scope: str, columns: int) -> Path:
    """The golden with a task's head in place of the language model's, as run_classifier saves it."""
    folder = without(folder, XLNET, "xlnet_model.ckpt*", "golden.npz", "checkpoint")
    with open_checkpoint(XLNET) as opened:
        held = {name: opened.read(name) for name in opened.entries if name != "model/lm_loss/bias"}
    rng = np.random.default_rng(2)
    sizes = {"model/sequnece_summary/summary": (64, 64), f"{scope}/logit": (64, columns)}
    for name, shape in sizes.items():
        held[f"{name}/kernel"] = rng.normal(size=shape).astype(np.float32)
        held[f"{name}/bias"] = rng.normal(size=shape[1:]).astype(np.float32)
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in held.items()]
    write_bundle(folder / "xlnet_model.ckpt", specs, held.values())
    return folder


@pytest.mark.parametrize(
    ("line", "scope", "task", "columns"),
    [
        *((line, "model/regression_sts-b", "STS-B", 1) for line in XLNET_LINES),
        (XLNET_LINES[0], "model/classification_imdb", "imdb", 2),
    ],
)
def test_xlnet_of_a_task(
    run: Callable[..., Done], tmp_path: Path, line: str, scope: str, task: str, columns: int
) -> None:
    source = fine_tuned(tmp_path / "xlnet", scope, columns)
    paths = {
        "TRANSFO_XL_CHECKPOINT_PATH": source / "xlnet_model.ckpt",
        "TRANSFO_XL_CONFIG_PATH": source / "xlnet_config.json",
    }
    run(line.format(task=task), **paths)
    out = tmp_path / "out"
    assert state(out)["logits_proj.weight"].shape == (columns, 64)
    assert json.loads((out / "config.json").read_text())["architectures"] == ["XLNetForSequenceClassification"]
    assert verify(out, source=source).tensors > 40
    with pytest.raises(ParityError, match="holds no head of task MRPC"):
        run(line.format(task="MRPC"), force=True, **paths)


def test_xlnet_without_a_task_is_the_language_model(run: Callable[..., Done], tmp_path: Path) -> None:
    paths = {
        "TRANSFO_XL_CHECKPOINT_PATH": XLNET / "xlnet_model.ckpt",
        "TRANSFO_XL_CONFIG_PATH": XLNET / "xlnet_config.json",
    }
    run(XLNET_LINES[0].format(task=""), **paths)
    assert {"transformer.word_embedding.weight", "lm_loss.bias"} <= state(tmp_path / "out").keys()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["architectures"] == ["XLNetLMHeadModel"]
    with pytest.raises(ParityError, match=r"holds no head of task STS-B .expected one of lm, none.*left it at random"):
        run(XLNET_LINES[0].format(task="STS-B"), force=True, **paths)


def test_a_pickled_corpus_is_not_opened(run: Callable[..., Done]) -> None:
    with pytest.raises(ParityError, match="a pickled corpus holds no model"):
        run("pytorch_transformers transfo_xl $DATASET/cache.pkl $PYTORCH_DUMP_OUTPUT", DATASET=TRANSFO_XL)


def test_transformer_xls_old_defaults_are_for_the_model_they_fitted(tmp_path: Path) -> None:
    """The old tool took the published model's flags where no config was named; another model's are asked for."""
    architecture = family("transfo-xl")
    told = {"n_layer": 18, "d_model": 1024, "n_head": 16, "d_inner": 4096, "n_token": 267735, "div_val": 4}

    def settings(**other: int) -> dict[str, str]:
        from dataclasses import replace

        return _settings(replace(architecture, infer=lambda shapes: told | other), tmp_path / "c")

    write_bundle(tmp_path / "c", [TensorSpec("a", "float32", ())], [torch.zeros(()).numpy()])
    assert settings() == {"mem_len": "1600", "clamp_len": "1000", "same_length": "true"}
    assert settings(n_layer=3) == {}
    (tmp_path / "model_flags.json").write_text("{}")
    assert settings() == {}
