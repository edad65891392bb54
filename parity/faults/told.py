"""Kill matrix and false alarms as text for terminals and Markdown for documents."""

from __future__ import annotations

from collections.abc import Sequence

from parity.faults.finding import Finding
from parity.faults.matrix import HEADER, LETTERS, Matrix, objecting
from parity.faults.measures import ids
from parity.faults.rules import RULES
from parity.faults.sound import Soundness, SoundRun


def line(found: Finding | SoundRun) -> str:
    """One line of progress."""
    if isinstance(found, SoundRun):
        what = f"ALARM {found.alarm}" if found.alarm else "quiet"
        return f"{found.model} {found.inputs}: {found.variant}: {what} ({found.seconds:.1f} s)"
    seen = found.seen
    if seen is None:
        return f"{found.fault.name}: needs {found.fault.least_layers} layers"
    mark = "" if found.right and found.placed is not False and found.cause != "wrong" else " (!)"
    place = f" at {seen.first}" if seen.first else ""
    cause = f", cause {found.cause}" if found.cause else ""
    return f"{found.fault.name}: {seen.verdict}{place}{cause}{mark} ({found.seconds:.1f} s)"


def matrix_markdown(matrix: Matrix) -> str:
    """The whole matrix, and what its letters mean."""
    return "\n".join(
        [
            _table(HEADER, matrix.rows()),
            "",
            _table(
                ("letter", "rule", "green while", "from"),
                [(letter, rule.name, rule.formula, rule.origin) for letter, rule in zip(LETTERS, RULES, strict=True)],
            ),
            "",
            _table(("not in this corpus", "why"), list(matrix.elsewhere.items())),
        ]
    )


def matrix_lines(matrix: Matrix) -> list[str]:
    """What it comes to."""
    numbers, rows = ids(matrix.findings)
    told = [f"{rows} faults on {matrix.model}, {numbers} numbers of the catalogue"]
    for measure in matrix.measures:
        told.append(f"{'ok    ' if measure.holds else 'MISSED'} {measure.name}: {measure.got}, wanted {measure.wanted}")
        if measure.missed:
            told.append(f"       not: {', '.join(measure.missed)}")
    judged = [one for one in matrix.findings if one.seen is not None and one.seen.objections and not one.equivalent]
    visible = [one for one in judged if one.caught and one.fault.verdict == "tap"]
    if visible:
        told.append(f"of the {len(visible)} that change outputs, the usual rules object to:")
        told += [
            f"       {rule.name}: {sum(letter != '.' for letter in column)}"
            for rule, column in zip(RULES, zip(*map(objecting, visible), strict=True), strict=True)
        ]
    return told


def sound_lines(found: Soundness) -> list[str]:
    """How often the harness cried wolf, and how often the usual rules do."""
    variants = len({run.variant for run in found.runs})
    where = sorted({f"{run.model} {run.inputs}" for run in found.runs})
    told = [
        f"{'ok    ' if found.holds else 'MISSED'} false alarms: {len(found.alarms)} in {len(found.runs)} sound runs"
        f" ({variants} variants on {len(where)} sets of inputs), wanted 0 in {found.wanted}"
    ]
    if not found.alarms:
        told.append(f"       so the rate is below {found.bound:.2%} (95 %)")
    told += [f"       {run.model} {run.inputs}: {run.variant}: {run.alarm}" for run in found.alarms]
    told.append("of the same runs the usual rules object to:")
    told += [f"       {name}: {count}" for name, count in found.by_rule().items()]
    return told


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines)
