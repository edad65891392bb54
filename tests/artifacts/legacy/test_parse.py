"""Every old spelling means the same roles; what is not known is refused by name."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.artifacts.legacy.commands import COMMANDS, MO
from parity.artifacts.legacy.parse import Asked, read
from parity.errors import ParityError


def asked(line: str) -> Asked:
    return read(shlex.split(line))


BERT = {"checkpoint": "D/bert_model.ckpt", "config": "D/bert_config.json", "out": "D/pytorch_model.bin"}
_OPTIONS = (
    "--tf_checkpoint_path D/bert_model.ckpt --bert_config_file D/bert_config.json --pytorch_dump_path "
    "D/pytorch_model.bin"
)
_CLI = (
    "convert --model_type bert --tf_checkpoint D/bert_model.ckpt --config D/bert_config.json --pytorch_dump_output "
    "D/pytorch_model.bin"
)
_PATHS = "D/bert_model.ckpt D/bert_config.json D/pytorch_model.bin"


@pytest.mark.parametrize(
    "line",
    [
        f"pytorch_transformers bert {_PATHS}",
        f"pytorch-transformers bert {_PATHS}",
        f"transformers bert {_PATHS}",
        f"python -m pytorch_transformers bert {_PATHS}",
        f"python -m pytorch_transformers.__main__ bert {_PATHS}",
        f"pytorch_pretrained_bert convert_tf_checkpoint_to_pytorch {_PATHS}",
        f"pytorch_pretrained_bert bert {_PATHS}",
        f"python3 -m pytorch_pretrained_bert convert_tf_checkpoint_to_pytorch {_PATHS}",
        f"convert_tf_checkpoint_to_pytorch {_OPTIONS}",
        f"python convert_tf_checkpoint_to_pytorch.py {_OPTIONS}",
        f"python3.6 pytorch_pretrained_bert/convert_tf_checkpoint_to_pytorch.py {_OPTIONS}",
        f"/usr/bin/python3 ./convert_bert_original_tf_checkpoint_to_pytorch.py {_OPTIONS}",
        f"python -m transformers.convert_bert_original_tf_checkpoint_to_pytorch {_OPTIONS}",
        f"!python src/transformers/models/bert/convert_bert_original_tf_checkpoint_to_pytorch.py {_OPTIONS}",
        f"$ CUDA_VISIBLE_DEVICES= python -m transformers.models.bert.convert_bert_original_tf_checkpoint_to_pytorch "
        f"{_OPTIONS.replace('_path', '-path').replace('_file', '-file')}",
        f"convert_tf_checkpoint_to_pytorch {_OPTIONS.replace('--', '-')}",
        "convert_tf_checkpoint_to_pytorch --tf_checkpoint_path=D/bert_model.ckpt -bert-config-file=D/bert_config.json "
        "--pytorch_dump=D/pytorch_model.bin",
        f"transformers-cli {_CLI}",
        f"transformers_cli {_CLI}",
        f"transformers {_CLI}",
        f"transformers-cli {_CLI.replace('--', '-').replace('_checkpoint', '-checkpoint')}",
    ],
)
def test_one_conversion_in_all_its_spellings(line: str) -> None:
    found = asked(line)
    assert {role: value for role, value in found.values.items() if role != "kind"} == BERT
    assert (found.command.kind or found.values["kind"], found.said) == ("bert", ())


@pytest.mark.parametrize(
    ("line", "kind", "roles"),
    [
        ("pytorch_transformers gpt D OUT", "gpt", "checkpoint out"),
        ("pytorch_transformers gpt D OUT C", "gpt", "checkpoint out config"),
        ("pytorch_pretrained_bert convert_openai_checkpoint D OUT C", "gpt", "checkpoint out config"),
        ("pytorch_transformers transfo_xl D/model.ckpt OUT", "transfo_xl", "checkpoint out"),
        ("pytorch_pretrained_bert convert_transfo_xl_checkpoint D OUT C", "transfo_xl", "checkpoint out config"),
        ("pytorch_transformers gpt2 D/model.ckpt OUT C", "gpt2", "checkpoint out config"),
        ("pytorch_pretrained_bert convert_gpt2_checkpoint D/model.ckpt OUT", "gpt2", "checkpoint out"),
        ("pytorch_transformers xlnet D/x.ckpt C OUT", "xlnet", "checkpoint config out"),
        ("pytorch_transformers xlnet D/x.ckpt C OUT STS-B", "xlnet", "checkpoint config out task"),
        (
            "transformers-cli convert --model_type xlnet --tf_checkpoint D --config C --pytorch_dump_output OUT "
            "--finetuning_task_name STS-B",
            None,
            "kind checkpoint config out task",
        ),
        (
            "convert_openai_checkpoint_to_pytorch.py --openai_checkpoint_folder_path D --pytorch_dump_folder_path OUT",
            "gpt",
            "checkpoint out",
        ),
        (
            "convert_gpt2_original_tf_checkpoint_to_pytorch.py --gpt2_checkpoint_path D --gpt2_config_file C "
            "--pytorch_dump_folder_path OUT",
            "gpt2",
            "checkpoint config out",
        ),
        (
            "convert_transfo_xl_original_tf_checkpoint_to_pytorch --tf_checkpoint_path D --transfo_xl_config_file C "
            "--transfo_xl_dataset_file cache.pkl --pytorch_dump_folder_path OUT",
            "transfo_xl",
            "checkpoint config vocab out",
        ),
        (
            "convert_xlnet_checkpoint_to_pytorch --tf_checkpoint_path D --xlnet_config_file C "
            "--pytorch_dump_folder_path OUT --finetuning_task sts-b",
            "xlnet",
            "checkpoint config out task",
        ),
    ],
)
def test_the_other_families(line: str, kind: str | None, roles: str) -> None:
    found = asked(line)
    assert (found.command.kind, list(found.values)) == (kind, roles.split())


def test_the_whole_line_may_be_one_word_with_its_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERT_BASE_DIR", "D")
    assert dict(read(["pytorch_transformers bert " + _PATHS.replace("D/", "$BERT_BASE_DIR/")]).values) == BERT
    line = "pytorch_transformers bert \\\n  D/bert_model.ckpt \\\n  'D/bert_config.json' \\\n  D/pytorch_model.bin\n"
    assert dict(read([line]).values) == BERT
    assert dict(read([f"{line} \\"]).values) == BERT
    assert dict(read([line.replace("\\\n  ", "\\\r\n")]).values) == BERT
    assert dict(read(shlex.split(line.replace("\\\n  ", "\\\n"))).values) == BERT
    assert dict(read([word for part in line.split("\n") for word in part.replace("'", "").split()]).values) == BERT
    with pytest.raises(ParityError, match="no shell can read this"):
        read(["pytorch_transformers bert 'D/bert_model.ckpt"])


def test_the_model_optimizers_line() -> None:
    found = asked(
        "python3 <INSTALL_DIR>/deployment_tools/model_optimizer/mo_tf.py -m g.pb --input "
        "'IteratorGetNext:0{i32}[1 128],IteratorGetNext:1{i32}[1 128]' --output=bert/pooler/dense/Tanh "
        "--disable_nhwc_to_nchw --data_type FP16 --log_level=DEBUG -n bert -o ir --compress_to_fp16=False"
    )
    assert found.command is MO
    assert found.values["inputs"] == "IteratorGetNext:0{i32}[1 128],IteratorGetNext:1{i32}[1 128]"
    wanted = {"checkpoint": "g.pb", "outputs": "bert/pooler/dense/Tanh", "data_type": "FP16", "name": "bert"}
    assert wanted.items() <= found.values.items()
    assert (found.values["out"], found.values["half"]) == ("ir", "")
    assert [line.split(" is ")[0] for line in found.said] == ["--disable_nhwc_to_nchw", "--log_level"]


def refusal(line: str) -> str:
    with pytest.raises(ParityError) as caught:
        asked(line)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (
            f"transformers-cli {_CLI} --finetune_task x",
            "unknown option --finetune_task; nearest known: --finetuning_task",
        ),
        (f"transformers-cli {_CLI} --tf_dump x", "unknown option --tf_dump; known: --config, --fine"),
        (f"transformers-cli {_CLI} --config again", "--config is given twice"),
        (f"transformers-cli {_CLI} --finetuning_task_name", "--finetuning_task_name has no value"),
        ("transformers-cli convert --model_type bert --tf_checkpoint x", "needs --pytorch_dump_output"),
        ("transformers-cli serve", "no old command is called transformers_cli serve"),
        ("transformers-cli convert D OUT", "D is one argument too many (expected options only)"),
        ("pytorch_transformers bert a b", "OUT is missing (expected CHECKPOINT CONFIG OUT)"),
        ("pytorch_transformers bert a b c d", "d is one argument too many (expected CHECKPOINT CONFIG OUT)"),
        ("pytorch_transformers gpt a", "OUT is missing (expected CHECKPOINT OUT [CONFIG])"),
        ("pytorch_transformers brt a b c", "no old command is called pytorch_transformers brt (expected one of"),
        ("convert_tf_checkpoint_to_pytorsh --x y", "did you mean convert_tf_checkpoint_to_pytorch?"),
        ("mo --input_model g.pb --mean_values [1,2,3]", "--mean_values is not offered; it is for images"),
        ("mo --input_model g.pb --reverse_input_channels", "--reverse_input_channels is not offered"),
        ("mo --input_modle g.pb", "unknown option --input_modle; nearest known: --input_model"),
        ("mo --input_model g.pb --compress_to_fp16=maybe", "is neither true nor false"),
        ("python", "no command"),
    ],
)
def test_what_is_not_known_is_refused_by_name(line: str, part: str) -> None:
    assert part in refusal(line)


def test_all_that_is_wrong_is_told_at_once() -> None:
    message = refusal("transformers-cli convert --model_typ bert --tf_ckpt a --out_put b")
    assert "unknown option --tf_ckpt" in message
    assert "unknown option --out_put" in message


def test_no_name_calls_two_commands_and_every_option_has_one_meaning() -> None:
    names = [name for command in COMMANDS for name in command.names]
    assert len(set(names)) == len(names)
    for command in COMMANDS:
        known = [*command.options, *command.ignored, *command.refused]
        assert len(set(known)) == len(known)
        assert command.flags <= set(known)
        assert set(command.short.values()) <= set(known)


_WITH_OPTIONS = [command for command in COMMANDS if command.options and command is not MO]


@given(st.data())
def test_dashes_underscores_and_equals_signs_never_matter(data: st.DataObject) -> None:
    command = data.draw(st.sampled_from(_WITH_OPTIONS))
    words, expected = list(data.draw(st.sampled_from(command.names))), {}
    for option in data.draw(st.permutations(list(command.options))):
        value = data.draw(st.from_regex(r"[a-z/][a-z0-9_./=-]{0,8}", fullmatch=True))
        spelt = data.draw(st.sampled_from(["-", "--"])) + option.replace("_", data.draw(st.sampled_from("_-")))
        words += [f"{spelt}={value}"] if data.draw(st.booleans()) else [spelt, value]
        expected[command.options[option]] = value
    found = read(words)
    assert found.command is command
    assert found.values == expected
