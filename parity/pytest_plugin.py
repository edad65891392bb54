"""`pytest suites/ --model rubert`: options, test ids, and one run behind them all. No framework, no numerics.

Name it in a root conftest (`pytest_plugins = ["parity.pytest_plugin"]`) or with `-p parity.pytest_plugin`. It is no
automatic entry point: a project with a `--model` option of its own must not meet ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from parity.errors import ParityError

if TYPE_CHECKING:
    from parity.runs import Answer, Case, Run

_RUN: pytest.StashKey[Run] = pytest.StashKey()
_WORKER_KEY = "parity_run"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a run; `parity run` has the same."""
    group = parser.getgroup("parity", "cross-runtime parity")

    def add(name: str, text: str, **more: Any) -> None:
        group.addoption(name, dest="parity_" + name.strip("-").replace("-", "_"), help=text, **more)

    add("--model", "card name, folder or checkpoint; repeatable", action="append", default=[])
    add("--backend", "runtime such as torch:eager or openvino; repeatable; red if it is missing", action="append")
    add("--precision", "keep runtimes that claim this precision; repeatable", action="append")
    add("--taps", "glob over tap names, finer ones included; repeatable", action="append")
    add("--scale", "size of stand-ins", choices=("full", "small", "tiny"), default="full")
    add("--texts", "file of your own sentences, one a line", type=Path)
    add("--inputs", "small, large, or an INPUTS file", default="small")
    add("--drift", "drift limits that `parity calibrate` wrote, instead of those in the cache", type=Path)
    add("--report", "folder of the run, instead of reports/<time>-<models>", type=Path)
    add("--threads", "threads of each runtime, instead of all", type=int)
    add("--timeout", "seconds that a runtime may take for one batch", type=float, default=900.0)
    add("--memory-limit", "bytes that a runtime's process may hold", type=int, default=0)
    add("--examples", "generated examples of each search, instead of as many as the profile says", type=int)
    add(
        "--profile",
        "generated text: few and always the same, or many at random",
        choices=("ci", "nightly"),
        default="ci",
    )
    add("--seed", "of generated text, as a nightly run printed it", type=int)
    add("--in-process", "run runtimes in this process, to debug", action="store_true")
    add("--python", "NAME=PATH: interpreter for a backend; repeatable", action="append")


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; a mistake in them is told before anything is collected."""
    config.addinivalue_line("markers", "parity(question): asks this question of every model and runtime of the run")
    if not config.getoption("parity_model"):
        return
    from parity.runs import Run

    handed = getattr(config, "workerinput", {}).get(_WORKER_KEY)
    try:
        run = Run.from_plain(handed) if handed else Run.begin(_options(config), config.getoption("parity_model"))
    except ParityError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_RUN] = run


def _options(config: pytest.Config) -> Any:
    from parity.runs import RunOptions
    from parity.runs.options import default_threads, interpreters

    get = config.getoption
    return RunOptions(
        scale=get("parity_scale"),
        backends=tuple(get("parity_backend") or ()),
        precisions=tuple(get("parity_precision") or ()),
        taps=tuple(get("parity_taps") or ()),
        inputs=get("parity_inputs"),
        texts=get("parity_texts"),
        timeout_s=get("parity_timeout"),
        memory_limit=get("parity_memory_limit"),
        examples=get("parity_examples"),
        profile=get("parity_profile"),
        seed=get("parity_seed"),
        in_process=get("parity_in_process"),
        python=interpreters(get("parity_python")),
        drift=get("parity_drift"),
        report=get("parity_report"),
        threads=get("parity_threads") or default_threads(),
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Every xdist worker joins the controller's run."""
    run = node.config.stash.get(_RUN, None)
    if run is not None:
        node.workerinput[_WORKER_KEY] = run.to_plain()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case; ids come from card or config."""
    marker = metafunc.definition.get_closest_marker("parity")
    if marker is None or "case" not in metafunc.fixturenames:
        return
    run = metafunc.config.stash.get(_RUN, None)
    if run is None:
        raise pytest.UsageError("name a model, such as --model rubert (`parity models` lists them)")
    found = [case for case in run.cases if case.question in marker.args]
    metafunc.parametrize("case", found, ids=[case.id for case in found])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One runtime of one model stays on one xdist worker; one search drives all runtimes, so it stays on one too."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            case = _case(item)
            if case is not None:
                group = "generated" if case.question == "generated_states" else case.backend
                item.add_marker(pytest.mark.xdist_group(f"{case.model}-{group}"))


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """What `-k` and its like leave out is counted, not forgotten."""
    for item in items:
        run, case = item.config.stash.get(_RUN, None), _case(item)
        if run is not None and case is not None:
            run.deselect(case)


def pytest_collection_finish(session: pytest.Session) -> None:
    """The plan is fixed: what is selected here must be answered."""
    run = session.config.stash.get(_RUN, None)
    if run is None or session.config.option.collectonly or _is_controller(session.config):
        return
    run.plan([case for case in map(_case, session.items) if case is not None], first=_is_first(session.config))
    run.report_progress(_printer(session.config))


@pytest.fixture
def answer(case: Case, request: pytest.FixtureRequest) -> Answer:
    """The verdict on this case; the first one asked of a runtime makes it run."""
    found: Answer = request.config.stash[_RUN].answer(case)
    request.node.user_properties.extend(found.properties)
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports; counts that do not add up are red even if no test is."""
    run = session.config.stash.get(_RUN, None)
    if run is None or session.config.option.collectonly:
        return
    run.close()
    if hasattr(session.config, "workerinput"):
        return
    if not run.finish(int(exitstatus)) and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The verdict, and where the reports lie."""
    run = config.stash.get(_RUN, None)
    if run is not None and run.summary:
        terminalreporter.section("parity")
        for line in run.summary:
            terminalreporter.write_line(line)


def _printer(config: pytest.Config) -> Callable[[str], None]:
    """Prints a line although pytest is capturing what the running test writes."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")

    def show(line: str) -> None:
        if reporter is None:
            return
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            reporter.ensure_newline()
            reporter.write_line(line)

    return show


def _case(item: pytest.Item) -> Case | None:
    callspec = getattr(item, "callspec", None)
    if callspec is None or item.get_closest_marker("parity") is None:
        return None
    case: Case | None = callspec.params.get("case")
    return case


def _is_controller(config: pytest.Config) -> bool:
    """Under xdist the controller collects nothing itself."""
    return not hasattr(config, "workerinput") and bool(config.getoption("numprocesses", None))


def _is_first(config: pytest.Config) -> bool:
    """All xdist workers collect the same: one of them states the plan."""
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    return bool(worker == "gw0")
