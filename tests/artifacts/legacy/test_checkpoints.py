"""Old checkpoint converters: results where they put them, whole or not at all."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import CONFIG, ERF, PREFIX, arrays, tree, write_source

from parity.artifacts.legacy import Done, run_legacy
from parity.artifacts.legacy.single import as_folder
from parity.artifacts.verify import verify
from parity.errors import ParityError

torch = pytest.importorskip("torch", reason='pip install "parity[torch]"')


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as tutorials unpack it; their lines say $BERT_BASE_DIR, which their shell expands."""
    folder = write_source(tmp_path / "uncased_L-12_H-768_A-12")
    monkeypatch.setenv("BERT_BASE_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def run(line: str, *, force: bool = False) -> Done:
    return run_legacy(shlex.split(os.path.expandvars(line)), force=force)


def state(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, map_location="cpu", weights_only=True))


LINES = {
    # pytorch-transformers 1.x and transformers 2.0, docs/source/converting_tensorflow_models.rst
    "pytorch_transformers": """pytorch_transformers bert \\
  $BERT_BASE_DIR/bert_model.ckpt \\
  $BERT_BASE_DIR/bert_config.json \\
  $BERT_BASE_DIR/pytorch_model.bin""",
    # pytorch-pretrained-bert 0.4 to 0.6, README
    "pytorch_pretrained_bert": """pytorch_pretrained_bert convert_tf_checkpoint_to_pytorch \\
  $BERT_BASE_DIR/bert_model.ckpt \\
  $BERT_BASE_DIR/bert_config.json \\
  $BERT_BASE_DIR/pytorch_model.bin""",
    # pytorch-pretrained-bert 0.1, README
    "script": """python convert_tf_checkpoint_to_pytorch.py \\
  --tf_checkpoint_path $BERT_BASE_DIR/bert_model.ckpt \\
  --bert_config_file $BERT_BASE_DIR/bert_config.json \\
  --pytorch_dump_path $BERT_BASE_DIR/pytorch_model.bin""",
    # transformers 2.2 to 4.47, docs
    "transformers-cli": """transformers-cli convert --model_type bert \\
  --tf_checkpoint $BERT_BASE_DIR/bert_model.ckpt \\
  --config $BERT_BASE_DIR/bert_config.json \\
  --pytorch_dump_output $BERT_BASE_DIR/pytorch_model.bin""",
    "module": """python -m transformers.models.bert.convert_bert_original_tf_checkpoint_to_pytorch \\
  --tf_checkpoint_path=$BERT_BASE_DIR/bert_model.ckpt \\
  --bert_config_file=$BERT_BASE_DIR/bert_config.json \\
  --pytorch_dump_path=$BERT_BASE_DIR/pytorch_model.bin""",
}


@pytest.mark.parametrize("name", LINES)
def test_berts_weights_come_to_the_path_named(name: str, base: Path) -> None:
    before = tree(base)
    done = run(LINES[name])
    weights = base / "pytorch_model.bin"
    assert tree(base) - before == {"pytorch_model.bin", "pytorch_model.bin.conversion.json"}
    assert done.made == (weights, base / "pytorch_model.bin.conversion.json")
    found, source = state(weights), arrays()
    np.testing.assert_array_equal(
        found["bert.encoder.layer.1.attention.self.query.weight"].numpy(),
        source["bert/encoder/layer_1/attention/self/query/kernel"].T,
    )
    assert torch.equal(found["cls.predictions.decoder.weight"], found["bert.embeddings.word_embeddings.weight"])
    np.testing.assert_array_equal(found["cls.seq_relationship.bias"], source["cls/seq_relationship/output_bias"])
    with as_folder(weights) as folder:
        assert verify(folder, source=base).source_tensors == len(source)


def test_a_vocabulary_is_not_needed(base: Path) -> None:
    (base / "vocab.txt").unlink()
    run(LINES["pytorch_transformers"])
    assert (base / "pytorch_model.bin").is_file()


def test_the_weights_load_into_the_class_they_were_for(transformers: Any, base: Path) -> None:
    run(LINES["transformers-cli"])
    model = transformers.BertForPreTraining(transformers.BertConfig.from_json_file(base / "bert_config.json"))
    missing, unexpected = model.load_state_dict(state(base / "pytorch_model.bin"), strict=False)
    assert (set(missing) - {"bert.embeddings.position_ids"}, unexpected) == (set(), [])


def test_the_modern_line_makes_the_same_tensors(base: Path) -> None:
    from parity.artifacts import Choices, convert_checkpoint

    modern = shlex.split(run(LINES["pytorch_transformers"]).modern)
    config = str(base / "bert_config.json")
    out = str(base / "pytorch_model")
    named = ["--family", "bert", "--config", config, "--format", "bin"]
    assert modern == ["parity", "convert", str(base / PREFIX), out, *named]
    convert_checkpoint(modern[2], Path(out), config=Path(config), choices=Choices(family="bert"), form="bin")
    old, new = state(base / "pytorch_model.bin"), state(base / "pytorch_model" / "pytorch_model.bin")
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_a_converter_config_in_the_configs_place(base: Path, tmp_path: Path) -> None:
    """The line of the documentation that knew converter_config.json."""
    squad = write_source(tmp_path / "squad", "qa")
    os.environ["BERT_BASE_DIR"] = str(squad)  # restored by the fixture's monkeypatch
    (tmp_path / "converter_config.json").write_text(
        """{
   "bert_config_path":"$BERT_BASE_DIR/bert_config.json",
   "bert_model_class":"BertForQuestionAnswering",
   "tf_torch_mappings":{
      "tf_output_layer_name":"qa_output"
   }
}"""
    )
    done = run("pytorch_transformers bert $BERT_BASE_DIR/bert_model.ckpt converter_config.json $BERT_BASE_DIR/qa.bin")
    assert any("has no qa_output; it has qa_outputs" in line for line in done.said)
    np.testing.assert_array_equal(state(squad / "qa.bin")["qa_outputs.bias"], arrays("qa")["cls/squad/output_bias"])


@pytest.mark.parametrize("out", ["made", "made/"])
def test_a_folder_named_as_the_result_gets_config_and_weights(base: Path, tmp_path: Path, out: str) -> None:
    if not out.endswith("/"):
        (tmp_path / out).mkdir()
        (tmp_path / out / "notes.txt").write_text("mine")
    run(f"transformers-cli convert --model_type bert --tf_checkpoint {base} --config {base}/bert_config.json "
        f"--pytorch_dump_output {out}")  # fmt: skip
    assert {"pytorch_model.bin", "config.json", "conversion.json", "vocab.txt"} < tree(tmp_path / "made")
    assert (tmp_path / "made" / "notes.txt").exists() == (not out.endswith("/"))
    assert json.loads((tmp_path / "made" / "config.json").read_text())["architectures"] == ["BertForPreTraining"]
    assert verify(tmp_path / "made", source=base).source_tensors == len(arrays())


def test_what_is_there_is_not_overwritten_unless_forced(base: Path) -> None:
    weights = base / "pytorch_model.bin"
    weights.write_text("mine")
    with pytest.raises(ParityError, match=r"pytorch_model.bin is already there; .*parity legacy --force"):
        run(LINES["script"])
    assert weights.read_text() == "mine"
    run(LINES["script"], force=True)
    assert "bert.pooler.dense.bias" in state(weights)


def test_what_is_converted_is_never_overwritten(base: Path) -> None:
    line = "pytorch_transformers bert $BERT_BASE_DIR/bert_model.ckpt $BERT_BASE_DIR/bert_config.json "
    for name in (f"{PREFIX}.index", f"{PREFIX}.data-00000-of-00001", "bert_config.json"):
        with pytest.raises(ParityError, match="what is being converted"):
            run(line + f"$BERT_BASE_DIR/{name}", force=True)


def test_a_refused_conversion_leaves_nothing(base: Path, tmp_path: Path) -> None:
    (base / "bert_config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": 3}))
    before = tree(tmp_path)
    with pytest.raises(ParityError, match="num_hidden_layers does not fit"):
        run("pytorch_transformers bert $BERT_BASE_DIR/bert_model.ckpt $BERT_BASE_DIR/bert_config.json new/deep/x.bin")
    assert tree(tmp_path) == before


def test_the_golden(tmp_path: Path) -> None:
    run(f"python convert_tf_checkpoint_to_pytorch.py --tf_checkpoint_path {ERF}/bert_model.ckpt --bert_config_file "
        f"{ERF}/bert_config.json --pytorch_dump_path {tmp_path}/new/pytorch_model.bin")  # fmt: skip
    with as_folder(tmp_path / "new" / "pytorch_model.bin") as folder:
        assert verify(folder, source=ERF).tensors == 62


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("xlm", "XLM's checkpoint is PyTorch's own already"),
        ("albert", "parity has no such family"),
        ("brt", "expected one of bert, gpt, gpt2, transfo_xl, xlnet"),
    ],
)
def test_model_types_that_are_not_here(kind: str, part: str) -> None:
    with pytest.raises(ParityError) as caught:
        run(f"transformers-cli convert --model_type {kind} --tf_checkpoint a --pytorch_dump_output b")
    assert part in str(caught.value)


def test_there_is_no_proof_beside_someone_elses_file(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"")
    with (
        pytest.raises(ParityError, match=r"no proof beside this file .expected x.bin.conversion.json"),
        as_folder(tmp_path / "x.bin"),
    ):
        pass
