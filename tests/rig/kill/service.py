"""The program under test, as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .process import PATIENCE, ROOT, Failure, tied_to_parent, until

TAIL_BYTES = 4_000


class Ended(Exception):
    """The service has ended by itself."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"the service ended with {code}:\n{words}")
        self.code = code
        self.words = words


class Service:
    """Starts and ends one service after the other, on one store and one log file."""

    def __init__(self, program: Path, folder: Path, log: Path, settings: dict[str, str]) -> None:
        self.program = program
        self.folder = folder
        self.log = log
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        # Where the words of the present process begin in the log file, and of its last look.
        self.begin = 0
        self.looked = 0
        log.touch()

    def command(self, *words: str) -> list[str]:
        """A command of the program with the settings of this service."""
        sets = [f"--set={name}={value}" for name, value in self.settings.items()]
        return [str(self.program), *words, "--data", str(self.folder), *sets]

    def environment(self, fault: str | None = None) -> dict[str, str]:
        """The rig's environment without anything that the program would take for a setting."""
        kept = {name: value for name, value in os.environ.items() if "ODOMETER_" not in name}
        return kept | ({"ODOMETER_TEST_FAULT": fault} if fault else {})

    def launch(self, fault: str | None = None) -> None:
        """Starts the process and does not wait for anything."""
        if self.process is not None:
            raise Failure("the service runs already")
        self.begin = self.looked = self.log.stat().st_size
        self.url = ""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("serve", "--listen", "127.0.0.1:0"),
                cwd=ROOT,
                env=self.environment(fault),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                preexec_fn=tied_to_parent,
            )

    def start(self, fault: str | None = None) -> None:
        """Starts it and waits until it listens. Raises Ended if it refuses."""
        self.launch(fault)
        self.wait_listening()

    def wait_listening(self, seconds: float = PATIENCE) -> None:
        """Waits until it listens, and learns where."""
        told = self.wait_line("listening", seconds)
        self.url = f"http://{told['address']}"

    def lines(self) -> list[dict[str, Any]]:
        """The log lines since the last look."""
        with self.log.open("rb") as log:
            log.seek(self.looked)
            whole, _, _ = log.read().rpartition(b"\n")
        if not whole:
            return []
        self.looked += len(whole) + 1
        found = []
        for line in whole.decode(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"message": line})
        return found

    def wait_line(self, message: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next log line with this message."""

        def look() -> dict[str, Any] | None:
            alive = self.alive()
            for line in self.lines():
                if line.get("message") == message:
                    return line
            if not alive:
                raise self.ended()
            return None

        return until(f"the service logs {message!r}", look, seconds)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def ended(self) -> Ended:
        """How the process ended; it is forgotten then."""
        assert self.process is not None
        code = self.process.wait()
        self.process = None
        return Ended(code, self.words())

    def words(self) -> str:
        """The last words of the present process."""
        with self.log.open("rb") as log:
            log.seek(max(self.begin, self.log.stat().st_size - TAIL_BYTES))
            return log.read().decode(errors="replace")

    def said(self, pattern: str) -> bool:
        """Whether the present process has said something of this form."""
        with self.log.open("rb") as log:
            log.seek(self.begin)
            return re.search(pattern.encode(), log.read()) is not None

    def must_live(self) -> None:
        """Raises if it has ended by itself."""
        if not self.alive():
            raise Failure(str(self.ended()))

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self.must_live()
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def terminate(self, seconds: float = PATIENCE) -> Ended:
        """SIGTERM, and how it ended."""
        self.signal(signal.SIGTERM)
        process = self.process
        assert process is not None
        until("the service ends after SIGTERM", lambda: process.poll() is not None, seconds)
        return self.ended()

    def run(self, *words: str, store: bool = True) -> subprocess.CompletedProcess[str]:
        """Another command of the program; with the settings of this service if it uses a store."""
        command = self.command(*words) if store else [str(self.program), *words]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def get(self, path: str, key: str | None = None) -> tuple[int, bytes]:
        """Status and body of an answer."""
        head = {"Authorization": f"Bearer {key}"} if key else {}
        request = urllib.request.Request(self.url + path, headers=head)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def metric(self, sample: str) -> int:
        """One sample of the metrics, 0 if it is not there yet."""
        text = self.get("/metrics")[1].decode()
        found = re.search(rf"^{re.escape(sample)} (\d+)", text, re.MULTILINE)
        return int(found[1]) if found else 0
