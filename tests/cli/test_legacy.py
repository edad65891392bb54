"""parity legacy, with the old command pasted after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_bert import write_source

from .conftest import Parity

pytest.importorskip("torch", reason='pip install "parity[torch]"')


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_source(tmp_path / "base")


def old(base: Path) -> tuple[str, ...]:
    return (
        *("transformers-cli", "convert", "--model_type", "bert", "--tf_checkpoint", f"{base}/bert_model.ckpt"),
        *("--config", f"{base}/bert_config.json", "--pytorch_dump_output", f"{base}/pytorch_model.bin"),
    )


def test_it_does_the_job_and_tells_todays_spelling(parity: Parity, base: Path) -> None:
    said = parity("legacy", *old(base))
    assert said.code == 0, said.err
    assert said.out == f"{base}/pytorch_model.bin, {base}/pytorch_model.bin.conversion.json\n"
    modern = (
        f"parity convert {base}/bert_model.ckpt {base}/pytorch_model --family bert --config {base}/bert_config.json"
    )
    assert f"today: {modern} --format bin\n" in said.err
    assert "assumed: hidden_act" in said.err
    again = parity(*modern.split()[1:], "--format", "bin")
    assert again.code == 0, again.err
    assert (base / "pytorch_model" / "config.json").is_file()


def test_the_single_file_verifies(parity: Parity, base: Path) -> None:
    assert parity("legacy", " ".join(old(base))).code == 0
    said = parity("verify", base / "pytorch_model.bin", "--source", base)
    assert (
        said.out == f"{base}/pytorch_model.bin: 46 tensors and 1 files are as the proof says, 46 against the source\n"
    )
    content = bytearray((base / "pytorch_model.bin").read_bytes())
    content[len(content) // 2] ^= 1
    (base / "pytorch_model.bin").write_bytes(content)
    broken = parity("verify", base / "pytorch_model.bin")
    assert broken.code == 1
    assert broken.err.startswith(f"parity: {base}/pytorch_model.bin: ")


def test_the_modern_line_without_a_vocabulary_runs_too(parity: Parity, base: Path) -> None:
    (base / "vocab.txt").unlink()
    said = parity("legacy", *old(base))
    modern = next(line for line in said.err.splitlines() if line.startswith("today: ")).split()[2:]
    assert modern[-1] == "--no-tokenizer"
    again = parity(*modern)
    assert again.code == 0, again.err
    assert not (base / "pytorch_model" / "vocab.txt").exists()


def test_force_stands_before_the_old_command(parity: Parity, base: Path) -> None:
    assert parity("legacy", *old(base)).code == 0
    refused = parity("legacy", *old(base))
    assert refused.code == 2
    assert "already there" in refused.err
    assert "unknown option --force" in parity("legacy", *old(base), "--force").err
    assert parity("legacy", "--force", *old(base)).code == 0


def test_options_of_the_old_command_are_not_ours(parity: Parity, base: Path) -> None:
    said = parity("legacy", "transformers-cli", "convert", "--help")
    assert said.code == 2
    assert "unknown option --help; known: --config, --finetuning_task_name, --model_type" in said.err
