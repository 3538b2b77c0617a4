"""Everything that a run consists of, and the steps that actions are made of."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from catalog import catalog
from produce import Generator
from rule import Workload

from .broker import Broker
from .disk import Disk
from .oracle import SETTLE_SECONDS, Oracle, Verdict
from .process import Failure, until
from .report import Report
from .service import Ended, Service
from .traffic import Traffic

WORKLOAD = Path(__file__).resolve().parents[1] / "workload.json"
TOPIC, CATALOG, DEAD_LETTERS = "rig-events", "rig-catalog", "rig-dead-letters"
# The service writes one checkpoint after the other, so that faults meet many of them.
CHECKPOINT_MS, TOTALS_MS = 200, 4_000
# How long a checkpoint lasts at least, when a kill is to be aimed at it.
PAUSE_IN_COMMIT_MS = 30
# Share of starts after which a kill can be aimed at a checkpoint.
AIMED_SHARE = 0.4


class World:
    """A broker, a service with a disk, a stream, a judge, and a report."""

    def __init__(self, report: Report, form: Form, program: Path, fault: str | None) -> None:
        self.report = report
        self.form = form
        self.fault = fault
        self.dice = random.Random(report.seed)
        self.workload = Workload.load(WORKLOAD)
        self.partitions = form.partitions
        self.place = Path(tempfile.mkdtemp(prefix="odometer-rig-"))
        self.disk = Disk(self.place, form.disk_bytes)
        report.store_on = self.disk.kind or "the folder of the rig"
        self.broker: Broker | None = None
        self.traffic: Traffic | None = None
        self.performed = 0
        # Whether the stream goes on after a check.
        self.flowing = True
        self.aimed = False
        self.backups = 0
        self.program = program

    def begin(self) -> None:
        """Starts everything."""
        self.broker = Broker(self.place / "kafka")
        self.broker.create_topic(TOPIC, self.partitions)
        self.broker.create_topic(DEAD_LETTERS, 1)
        made = catalog(self.workload, self.form.subscriptions)
        (self.place / "catalog.yaml").write_text(json.dumps(made), encoding="utf-8")
        limits = self.workload.limits
        self.service = Service(
            self.program,
            self.disk.path / "store",
            self.place / "service.log",
            {
                "kafka.brokers": self.broker.address,
                "kafka.events_topics": TOPIC,
                "kafka.http_events_topic": "",
                "kafka.catalog_topic": CATALOG,
                "kafka.dead_letter_topic": DEAD_LETTERS,
                "catalog.file": str(self.place / "catalog.yaml"),
                "events.record_bytes_max": str(limits.record_bytes_max),
                "events.depth_max": str(limits.depth_max),
                "checkpoint.interval_ms": str(CHECKPOINT_MS),
                "checkpoint.totals_interval_ms": str(TOTALS_MS),
                "log.format": "json",
            },
        )
        self.oracle = Oracle(self.broker.address, TOPIC, self.workload, self.form.subscriptions)
        month = datetime.now(UTC).strftime("%Y-%m")
        generator = Generator(
            self.workload, self.form.subscriptions, self.partitions, self.report.seed, month, 0.05
        )
        self.traffic = Traffic(
            self.broker.address, TOPIC, generator, self.workload, self.form.rate
        )
        self.traffic.start()
        self.must_start()
        self.traffic.flow()

    @property
    def stream(self) -> Traffic:
        """The stream, once it is there."""
        assert self.traffic is not None
        return self.traffic

    @property
    def kafka(self) -> Broker:
        """The broker, once it is there."""
        assert self.broker is not None
        return self.broker

    def say(self, words: str) -> None:
        """Tells what happens, to whoever watches."""
        seconds = time.monotonic() - self.report.begun
        print(f"{seconds:7.1f} s  {words}", file=sys.stderr, flush=True)

    # ---- the service -----------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the service; it must listen. Raises Ended if it refuses."""
        self.launch()
        self.service.wait_listening()

    def launch(self) -> None:
        """Starts the service and waits for nothing."""
        self.aimed = self.fault is None and self.dice.random() < AIMED_SHARE
        pause = f"pause_in_commit:{PAUSE_IN_COMMIT_MS}" if self.aimed else None
        self.report.starts += 1
        self.service.launch(self.fault or pause)

    def kill(self) -> None:
        """SIGKILL, inside a checkpoint where this service lets itself be aimed at."""
        self.service.must_live()
        if self.aimed:
            self.service.lines()
            self.service.wait_line("commit begins")
            time.sleep(self.dice.uniform(0, 2 * PAUSE_IN_COMMIT_MS / 1000))
        self.service.kill()
        if self.aimed:
            marks = [line.get("message") for line in self.service.lines()]
            marks = [mark for mark in marks if mark in ("commit begins", "commit ends")]
            # Without a further mark it is still the commit that was waited for.
            if not marks or marks[-1] == "commit begins":
                self.report.outcomes["kill inside a checkpoint"] += 1

    def terminate(self) -> None:
        """SIGTERM: it has to end well."""
        ended = self.service.terminate()
        if ended.code != 0:
            raise Failure(f"after SIGTERM {ended}")

    def must_start(self) -> None:
        """Starts the service, which has no reason to refuse."""
        try:
            self.start()
        except Ended as ended:
            raise Failure(f"it does not start: {ended}") from ended

    def checkpoints(self) -> int:
        """Checkpoints that this service has written."""
        return self.service.metric("odometer_checkpoint_seconds_count")

    def wait_progress(self) -> None:
        """Waits until the service has folded something and made it durable."""
        self.service.must_live()
        before = self.checkpoints(), self.service.metric("odometer_records_consumed_total")

        def went_on() -> bool:
            self.service.must_live()
            self.stream.must_live()
            consumed = self.service.metric("odometer_records_consumed_total")
            return self.checkpoints() > before[0] and consumed > before[1]

        until("the service folds and saves", went_on)

    # ---- checks ----------------------------------------------------------------------------------

    def check(self, after: str) -> Verdict:
        """Compares everything; refused answers are a failure."""
        try:
            verdict = self.compare(after)
        except Failure:
            self.service.must_live()
            raise
        if verdict.refused:
            raise Failure(f"check after {after}: answers were refused: {dict(verdict.refused)}")
        if verdict.events == 0 and verdict.records > self.form.subscriptions:
            raise Failure(f"check after {after}: there is nothing in what was compared")
        return verdict

    def compare(self, after: str, seconds: float = SETTLE_SECONDS) -> Verdict:
        """Lets the stream rest and compares everything that is answered."""
        self.service.must_live()
        self.stream.rest()
        try:
            verdict = self.oracle.check(self.service, self.partitions, after, seconds)
        finally:
            if self.flowing:
                self.stream.flow()
        self.report.add(verdict)
        self.say(
            f"check after {after}: {verdict.totals} totals, {verdict.records} records, "
            f"{len(verdict.wrong)} wrong, {verdict.seconds} s"
        )
        for line in verdict.wrong[:5]:
            self.say(f"  {line}")
        return verdict

    # ---- the end ---------------------------------------------------------------------------------

    def keep(self) -> Path:
        """Copies the store and the logs to where they outlive the rig."""
        kept = Path(tempfile.mkdtemp(prefix="odometer-rig-failed-"))
        self.service.kill()
        self.disk.free()
        for name in ("service.log", "catalog.yaml", "kafka/server.log"):
            shutil.copy(self.place / name, kept)
        if self.service.folder.exists():
            shutil.copytree(self.service.folder, kept / "store")
        return kept

    def close(self) -> None:
        """Ends every process and removes every file of the run."""
        if self.traffic is not None:
            self.traffic.stop()
            self.report.written = dict(self.traffic.sent)
        if hasattr(self, "oracle"):
            self.oracle.forget()
        if hasattr(self, "service"):
            self.service.kill()
        try:
            if self.broker is not None:
                self.broker.close()
        finally:
            self.disk.close()
            subprocess.run(["rm", "-rf", "--one-file-system", str(self.place)], check=False)


class Form:
    """How much of everything there is in a run."""

    def __init__(
        self,
        subscriptions: int,
        partitions: int,
        partitions_max: int,
        rate: float,
        burst: int,
        disk_bytes: int,
    ) -> None:
        self.subscriptions = subscriptions
        self.partitions = partitions
        self.partitions_max = partitions_max
        # Records a second of the stream.
        self.rate = rate
        # Most records of one action.
        self.burst = burst
        self.disk_bytes = disk_bytes
