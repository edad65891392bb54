"""A headless Chromium, driven over the pipe of its DevTools protocol: what it shows, logs, and asks the network for.

Command-line dumps would mix the page's requests with the browser's own. The protocol is JSON, each message ending in a
zero byte: https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip
# The browser reads from descriptor 3 and writes to 4; whatever was there goes, the rest of the command replaces this.
_DESCRIPTORS = "import os, sys; [os.dup2(int(sys.argv[n]), n + 2) for n in (1, 2)]; os.execv(sys.argv[3], sys.argv[3:])"
_PATIENCE_S = 60.0


class Chromium:
    """One browser with one page."""

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if program is None:
            pytest.fail("no Chromium to look at reports with: apt-get install -y chromium", pytrace=False)
        self._log = profile.with_suffix(".log")
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for pair in (os.pipe(), os.pipe()) for end in pair]
        theirs_in, self._write, self._read, theirs_out = ends
        command = [sys.executable, "-c", _DESCRIPTORS, str(theirs_in), str(theirs_out), program, *FLAGS]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, f"--user-data-dir={profile}", "about:blank"],
                pass_fds=(theirs_in, theirs_out),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._last, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result; events that arrive meanwhile are kept."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._last:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, page: Path, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Show a file in a window of that size, and wait until it is loaded and drawn."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not self.told("Page.loadEventFired"):
            self.events.append(self._next())
        self.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def told(self, method: str) -> list[dict[str, Any]]:
        """Events of one kind since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def complaints(self) -> list[str]:
        """Console messages at level warning or above, exceptions, and what the browser logged about the page."""
        said = [
            str(one["args"]) for one in self.told("Runtime.consoleAPICalled") if one["type"] in ("error", "warning")
        ]
        said += [str(one["exceptionDetails"]["text"]) for one in self.told("Runtime.exceptionThrown")]
        return said + [one["entry"]["text"] for one in self.told("Log.entryAdded")]

    def requests(self) -> list[str]:
        """Addresses that the page asked for, itself and data of its own excepted."""
        asked = [one["request"]["url"] for one in self.told("Network.requestWillBeSent")]
        return [url for url in asked[1:] if not url.startswith("data:")]

    def picture(self, *, scale: float = 1.0) -> bytes:
        """The whole page as a PNG."""
        box = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": box["width"], "height": box["height"], "scale": scale}
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(answer["data"])

    def close(self) -> None:
        """End the browser and its children."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self._read, 1 << 16) if ready else b""
            if not data:
                self.close()
                pytest.fail(f"Chromium fell silent\n{self._log.read_text(errors='replace')[-3000:]}", pytrace=False)
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found
