"""The rig's own Kafka broker: started, stopped, killed and paused through `dev/kafka`."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from .process import ROOT, Failure

# Clients tell every lost connection; here that is the point of it.
QUIET = logging.getLogger("kill-rig")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


class Broker:
    """A broker with a data folder and a port that stay through all restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = self._run("start", "--owner", str(os.getpid()))
        self.admin = AdminClient({"bootstrap.servers": self.address}, logger=QUIET)

    def _run(self, command: str, *options: str) -> str:
        done = subprocess.run(
            [str(ROOT / "dev/kafka"), command, "--data", str(self.folder), *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Failure(f"dev/kafka {command}: {done.stderr.strip()}")
        return done.stdout.strip()

    def restart(self) -> None:
        """A clean stop and a start."""
        self._run("restart", "--owner", str(os.getpid()))

    def kill(self) -> None:
        """SIGKILL."""
        self._run("kill")

    def start(self) -> None:
        """Starts it again."""
        self._run("start", "--owner", str(os.getpid()))

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the broker's process."""
        os.kill(int((self.folder / "pid").read_text().split()[0]), number)

    def create_topic(self, topic: str, partitions: int) -> None:
        """Creates a topic."""
        new = NewTopic(topic, num_partitions=partitions, replication_factor=1)
        for done in self.admin.create_topics([new]).values():
            done.result(timeout=30)

    def widen(self, topic: str, partitions: int) -> None:
        """Raises the number of partitions of a topic."""
        wider = NewPartitions(topic, partitions)
        for done in self.admin.create_partitions([wider]).values():
            done.result(timeout=30)

    def close(self) -> None:
        """Ends the process, paused or not."""
        if (self.folder / "pid").exists():
            self._run("kill")
