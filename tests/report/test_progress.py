"""What one sees while a run goes on."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from synthetic_run import MakeEvents, answer

from parity.events import EventLog, read_events
from parity.report import Progress

WHO = {"model": "rubert", "backend": "torch:sdpa", "precision": "float32"}


def shown(folder: Path, *, terminal: bool = False, live: bool = True) -> str:
    out = io.StringIO()
    progress = Progress(Console(file=out, force_terminal=terminal, width=80, color_system=None), live=live)
    for row in read_events(folder).rows:
        progress.see(row)
    return out.getvalue()


def test_plain_lines_where_there_is_no_terminal(make_events: MakeEvents) -> None:
    lines = shown(make_events(missing={"onnxruntime": "onnxruntime is not installed"})).splitlines()
    assert lines[0] == "parity 0.1.0: rubert (bert), scale full"
    assert lines[1] == "  rubert: weights absent; `parity fetch rubert`"
    assert "  forward  rubert torch:eager: " in "\n".join(lines)
    skipped = [line for line in lines if "not installed" in line]
    assert skipped == [
        "  skip     rubert onnxruntime float32: onnxruntime is not installed; pip install 'parity[onnxruntime]'"
    ]
    assert lines[-1] == "  compared 138 of 160 comparisons"
    assert not any("\x1b" in line for line in lines)


def test_failures_and_crashes_show_at_once(make_events: MakeEvents) -> None:
    text = shown(make_events(broken={"torch:sdpa": 10}, crashed={"spacy": "Traceback\nMemoryError\n\n"}))
    assert text.count("FAILED   rubert torch:sdpa float32") == 5
    assert "FAILED   rubert torch:sdpa float32 layer.10 " in text
    assert "CRASHED  rubert spacy float32: signal 11\n           MemoryError\n" in text


def test_repeated_reasons_are_said_once(make_events: MakeEvents) -> None:
    assert shown(make_events()).count("this batch has none") == 1


def test_text_is_not_markup_and_cannot_steer_the_terminal(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        answer(log, WHO, "heads", "logits", status="fail", message="[red]no[/red] [/] \x1b[2J :bomb:")
    assert "[red]no[/red] [/] ⟨U+001B⟩[2J :bomb:" in shown(tmp_path)


def test_a_terminal_has_a_status_line_unless_told_otherwise(make_events: MakeEvents) -> None:
    folder = make_events(layers=2)
    assert "comparisons, 0 failed" in shown(folder, terminal=True)
    assert "comparisons, 0 failed" not in shown(folder, terminal=True, live=False)
