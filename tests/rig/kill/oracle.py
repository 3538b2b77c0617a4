"""Compares all totals of all subscriptions with a judge that reads the topic itself."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from compare import Answer, Client, counter_differences, differences, events_in
from confluent_kafka import Consumer, TopicPartition
from judge import Offsets, Reader, parse_offsets
from rule import Workload

from .process import Failure, until
from .service import Service

# Longest wait of a check for the service to reach the ends of the topic, in seconds.
SETTLE_SECONDS = 180.0
# Looks at a topic that nobody writes to, until it stays as it is.
LOOKS_MAX = 5


@dataclass
class Verdict:
    """What one check has found."""

    after: str
    subscriptions: int = 0
    totals: int = 0
    events: int = 0
    records: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    judged: dict[str, Any] = field(default_factory=dict)


class Oracle:
    """Keeps a judge that goes forward with the topic, and counts again from the beginning when
    the topic has more partitions than it knows."""

    def __init__(self, brokers: str, topic: str, workload: Workload, subscriptions: int) -> None:
        self.brokers = brokers
        self.topic = topic
        self.workload = workload
        self.client = Client("http://127.0.0.1:1", workload, subscriptions)
        self.reader: Reader | None = None

    def forget(self) -> None:
        """The next check reads the topic from its beginning."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def _ready(self, partitions: int) -> Reader:
        if self.reader is not None and len(self.reader.next) != partitions:
            self.forget()
        if self.reader is None:
            self.reader = Reader(self.brokers, [self.topic], self.workload)
            if len(self.reader.next) != partitions:
                raise Failure(f"the topic shows {len(self.reader.next)} of {partitions} partitions")
        return self.reader

    def check(self, service: Service, partitions: int, after: str, seconds: float) -> Verdict:
        """Waits until the service is at the ends of the topic and compares everything.

        An answer other than 200 is no total: it is counted as refused.
        """
        begun = time.monotonic()
        reader = self._ready(partitions)
        verdict = Verdict(after)
        self.client.point_at(service.url)
        try:
            ends, answers, metrics = self._look(reader, service, seconds)
        except (TimeoutError, OSError) as error:
            raise Failure(f"check after {after}: {error}") from error
        reader.advance(ends)
        for answer in answers:
            if answer.status != 200:
                code = answer.body.get("code") if isinstance(answer.body, dict) else None
                verdict.refused[f"{answer.status} {code}"] += 1
                continue
            verdict.subscriptions += 1
            verdict.events += events_in(answer)
            verdict.wrong += differences(answer, reader.judge)
        verdict.totals = verdict.subscriptions * len(self.workload.metrics)
        verdict.wrong += counter_differences(metrics, reader.judge)
        verdict.judged = reader.judge.counters()
        verdict.records = reader.judge.records
        verdict.seconds = round(time.monotonic() - begun, 1)
        return verdict

    def _look(
        self, reader: Reader, service: Service, seconds: float
    ) -> tuple[Offsets, list[Answer], str]:
        """Every answer at the ends of the topic, and the ends.

        Nobody writes, but a transaction that was abandoned may end and let more be read: then it is
        looked at once more.
        """
        for _ in range(LOOKS_MAX):
            ends = reader.ends()
            self._settle(ends, service, seconds)
            answers = self.client.fetch_all(ends)
            metrics = self.client.metrics()
            told = [answer.offsets for answer in answers if answer.status == 200]
            if reader.ends() == ends and all(parse_offsets(text) == ends for text in set(told)):
                return ends, answers, metrics
        raise Failure("the ends of the topic do not come to rest")

    def _settle(self, ends: Offsets, service: Service, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.client.settle(ends, 1.0)
            except TimeoutError:
                if time.monotonic() > deadline or not service.alive():
                    raise

    def wait_closed(self, partitions: int) -> None:
        """Waits until no transaction is open: everything that was written can be read."""
        plain = {"bootstrap.servers": self.brokers, "group.id": "rig-ends", "log_level": 2}
        both = [
            Consumer(plain | {"isolation.level": level})
            for level in ("read_committed", "read_uncommitted")
        ]

        def closed() -> bool:
            ends = [
                [
                    reader.get_watermark_offsets(TopicPartition(self.topic, n), timeout=30)[1]
                    for n in range(partitions)
                ]
                for reader in both
            ]
            return ends[0] == ends[1]

        try:
            until("no transaction is open", closed)
        finally:
            for reader in both:
                reader.close()
