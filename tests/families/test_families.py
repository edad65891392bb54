from __future__ import annotations

import subprocess
import sys

import pytest
from bert_names import lines
from small_bert import ROOT

from parity.errors import ParityError
from parity.families import FAMILIES, chosen, detect, family

NAMES = [line.source for line in lines(2, "pretraining")]


def test_each_family_answers_to_its_name() -> None:
    assert [family(name).name for name in FAMILIES] == list(FAMILIES)


def test_an_unknown_family_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParityError, match=r"unknown family brt.*expected one of bert.*did you mean bert"):
        family("brt")


@pytest.mark.parametrize("head", ["pretraining", "classifier", "qa", "none"])
def test_the_names_of_a_checkpoint_tell_its_family(head: str) -> None:
    assert detect([line.source for line in lines(1, head)]).name == "bert"


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["model/h0/attn/c_attn/w", "model/wte"],
        ["bert/embeddings/word_embeddings"],
        ["albert/encoder/layer_0/attention/self/query/kernel"],
        [name.replace("bert/", "model/bert/") for name in NAMES],
    ],
)
def test_other_names_belong_to_none(names: list[str]) -> None:
    with pytest.raises(ParityError, match=r"here: the variables belong to no known family.*--family") as caught:
        detect(names, where="here")
    assert ("no variables" if not names else f"{len(names)} variables such as ") in str(caught.value)


def test_a_family_that_the_variables_contradict_is_refused() -> None:
    with pytest.raises(ParityError, match=r"here: this is no xlnet: the variables are those of bert.*--family bert"):
        chosen("xlnet", NAMES, where="here")
    assert chosen("bert", NAMES).name == chosen(None, NAMES).name == "bert"
    # Names that tell nothing are what the option is for.
    assert chosen("xlnet", ["renamed/word_embeddings"]).name == "xlnet"
    assert chosen("xlnet", []).name == "xlnet"


def test_the_reference_never_loads_the_weight_maps() -> None:
    # The package's own __init__ puts everything together, so the module is loaded beside it, not through it.
    code = """
import importlib.util, sys, types
package = types.ModuleType("parity.families.bert")
package.__path__ = [sys.argv[1]]
import parity.families.values
for name in [name for name in sys.modules if name.startswith(("parity.families", "parity.weights"))]:
    del sys.modules[name]
families = types.ModuleType("parity.families")
families.__path__ = [sys.argv[2]]
sys.modules["parity.families"], sys.modules["parity.families.bert"] = families, package
import parity.families.bert.reference
found = [name for name in sys.modules if name.startswith("parity.weights") or name.endswith("bert.table")]
assert "parity.families.bert.heads" in sys.modules
print(found)
"""
    families = ROOT / "parity" / "families"
    done = subprocess.run(
        [sys.executable, "-c", code, str(families / "bert"), str(families)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "[]"
