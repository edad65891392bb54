"""The variables of OpenAI's GPT, which its files hold without names: names by their order, the order by the shapes.

Order and names are those of train.py in openai/finetune-transformer-lm: the variables as its graph creates them. The
published parameters begin with two tables, `positions` and `tokens`, out of which train.py makes the graph's single
`model/we` = [tokens; special tokens; positions]; what it saves after training begins with that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from parity.errors import ParityError, Problems

Shape = tuple[int, ...]
TABLES = ("positions", "tokens")
JOINED = ("model/we",)
CLASSIFIER = ("model/clf/w", "model/clf/b")
_PER_LAYER = 12
_REMEDY = "use the file that was published with the weights"


def layer_shapes(width: int) -> tuple[tuple[str, Shape], ...]:
    """Variables of one block of that width, in the order they are created.

    The two dense layers of attention, its norm, the two of the perceptron (four times as wide inside), its norm.
    """
    return (
        ("attn/c_attn/w", (1, width, 3 * width)),
        ("attn/c_attn/b", (3 * width,)),
        ("attn/c_proj/w", (1, width, width)),
        ("attn/c_proj/b", (width,)),
        ("ln_1/g", (width,)),
        ("ln_1/b", (width,)),
        ("mlp/c_fc/w", (1, width, 4 * width)),
        ("mlp/c_fc/b", (4 * width,)),
        ("mlp/c_proj/w", (1, 4 * width, width)),
        ("mlp/c_proj/b", (width,)),
        ("ln_2/g", (width,)),
        ("ln_2/b", (width,)),
    )


def named(
    shapes: Sequence[Shape], tables: Sequence[str], *, where: str | PathLike[str], ends: Sequence[str] = ()
) -> tuple[tuple[str, Shape], ...]:
    """Give shapes their names, in order.

    Args:
        shapes: of every variable, as the file has them.
        tables: names of the tables in front, [rows, width] each.
        where: the file, for messages.
        ends: names of what may follow the blocks (the classifier, [width, outputs] and [outputs]), all or none.

    Raises:
        ParityError: shapes that are not those of whole blocks in this order; every place that differs, by name.
    """
    width = shapes[0][1] if shapes and len(shapes[0]) == 2 else 0
    layers, rest = divmod(len(shapes) - len(tables), _PER_LAYER)
    followed = rest == len(ends) and rest > 0
    problems = Problems("the shapes are not those of a GPT", where=where)
    if width < 1 or layers < 0 or (rest and not followed):
        problems.add(
            "not two axes of the first table, or no whole number of blocks",
            got=f"{len(shapes)} shapes, the first {list(shapes[0]) if shapes else 'none'}",
            expected=f"{len(tables)} tables and {_PER_LAYER} for each block",
            remedy=_REMEDY,
        )
        problems.raise_if_any()
    wanted: list[tuple[str, Shape | None]] = [(name, None) for name in tables]
    wanted += [(f"model/h{i}/{name}", shape) for i in range(layers) for name, shape in layer_shapes(width)]
    if followed:
        outputs = shapes[-1][-1] if shapes[-1] else 0
        wanted += [(ends[0], (width, outputs)), (ends[1], (outputs,))]
    for number, ((name, expected), got) in enumerate(zip(wanted, shapes, strict=True)):
        fits = got == expected if expected is not None else len(got) == 2 and got[1] == width and got[0] > 0
        if not fits:
            problems.add(
                f"shape {number}, that of {name}, does not fit",
                got=list(got),
                expected=list(expected) if expected is not None else f"[rows, {width}]",
                remedy=_REMEDY,
            )
    problems.raise_if_any()
    return tuple((name, got) for (name, _), got in zip(wanted, shapes, strict=True))


def in_order(names: Sequence[str], *, where: str | PathLike[str]) -> list[str]:
    """The names as the published files have them: tables, then blocks by their numbers.

    Raises:
        ParityError: names that those files do not hold, or some that they must; all of them at once.
    """
    layers = sum(name.endswith("/attn/c_attn/w") for name in names)
    wanted = [*TABLES, *(f"model/h{i}/{name}" for i in range(layers) for name, _ in layer_shapes(1))]
    problems = Problems("these variables are not those of a GPT", where=where)
    for name in sorted(set(names) - set(wanted)):
        problems.add(f"{name} has no place in params_*.npy", remedy="leave it out")
    for name in (name for name in wanted if name not in names):
        problems.add(f"{name} is missing", remedy="write it, too")
    if len(set(names)) != len(names):
        raise ParityError("a variable is named twice", where=where, remedy="report this as a bug")
    problems.raise_if_any()
    return wanted
