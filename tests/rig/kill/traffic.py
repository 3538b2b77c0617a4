"""What the rig writes to the topic: a steady stream, and on top of it what actions ask for.

Everything is drawn from the generator of `produce.py` by number: copies, late events, poison and
lists are among it. Whether a record has arrived is nobody's business here: the judge reads the
topic, and whatever stands there is what counts.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from typing import cast

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from produce import Generator, mix
from rule import Workload

from .broker import QUIET
from .process import Failure

# Records of the stream between two looks at the clock.
STRIDE = 20
# Longest wait for the broker to confirm what was sent, in seconds.
FLUSH_SECONDS = 120.0
# Size of a record of `bulky`: below the limit of a record, and large enough to fill a disk.
BULK_BYTES = 40_000
TRANSACTION_MS = 20_000


class Traffic(threading.Thread):
    """Writes until it is told to stop."""

    def __init__(
        self, brokers: str, topic: str, generator: Generator, workload: Workload, rate: float
    ) -> None:
        super().__init__(name="traffic", daemon=True)
        self.brokers = brokers
        self.topic = topic
        self.generator = generator
        self.workload = workload
        self.rate = rate
        self.sent: Counter[str] = Counter()
        self.unconfirmed = 0
        self._number = 0
        self._bulky = 0
        self._lock = threading.Lock()
        # Numbers that were written in transactions which then failed: the next records repeat them.
        self._aborted: list[int] = []
        self._flowing = threading.Event()
        self._idle = threading.Event()
        self._stopping = False
        self._broken: str | None = None
        self.producer = self._connect()

    def _connect(self, transactional: str | None = None) -> Producer:
        properties: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.brokers,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 131_072,
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 1_000,
            "message.timeout.ms": 110_000,
        }
        if transactional:
            properties |= {
                "transactional.id": transactional,
                "transaction.timeout.ms": TRANSACTION_MS,
                "message.timeout.ms": TRANSACTION_MS,
            }
        return Producer(properties, logger=QUIET)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.unconfirmed += 1

    def run(self) -> None:
        """The steady stream."""
        due = time.monotonic()
        try:
            while not self._stopping:
                if not self._flowing.is_set():
                    self._idle.set()
                    self._flowing.wait(0.2)
                    due = time.monotonic()
                    continue
                self.write(STRIDE, "stream")
                due += STRIDE / self.rate
                time.sleep(max(0.0, due - time.monotonic()))
        except Exception as error:  # told by whoever needs the stream next
            self._broken = repr(error)
            self._idle.set()

    def flow(self) -> None:
        """Lets the stream flow."""
        self.must_live()
        self._idle.clear()
        self._flowing.set()

    def rest(self) -> None:
        """Stops the stream, and waits until everything is confirmed or given up."""
        self._flowing.clear()
        if not self._idle.wait(FLUSH_SECONDS):
            raise Failure("the stream does not come to rest")
        self.must_live()
        if self.producer.flush(FLUSH_SECONDS):
            raise Failure("the broker does not take what was sent")

    def must_live(self) -> None:
        """Raises if the stream has ended by itself."""
        if self._broken is not None:
            raise Failure(f"the stream has ended: {self._broken}")

    def stop(self) -> None:
        """Ends the stream for good."""
        self._stopping = True
        self._flowing.set()

    def numbers(self, count: int) -> list[int]:
        """The next numbers of records: first those again that were aborted."""
        with self._lock:
            again = [self._aborted.pop() for _ in range(min(count // 2, len(self._aborted)))]
            fresh = list(range(self._number, self._number + count - len(again)))
            self._number += len(fresh)
            return again + fresh

    def write(self, count: int, kind: str) -> None:
        """Writes the next records."""
        for number in self.numbers(count):
            record = self.generator.record(number)
            self._send(
                self.producer, record.partition, record.key, record.value, record.timestamp_ms
            )
        self.producer.poll(0)
        with self._lock:
            self.sent[kind] += count

    def _send(
        self,
        producer: Producer,
        partition: int,
        key: str | bytes | None,
        value: str | bytes | None,
        timestamp_ms: int,
    ) -> None:
        deadline = time.monotonic() + FLUSH_SECONDS
        while True:
            try:
                producer.produce(
                    self.topic,
                    value,
                    key,
                    partition,
                    timestamp=timestamp_ms,
                    on_delivery=self._delivered,
                )
                return
            except BufferError:
                if time.monotonic() > deadline:
                    raise Failure("the queue of the producer does not empty") from None
                producer.poll(0.1)
            except KafkaException as error:
                # A partition that was added a moment ago becomes known with the next metadata.
                unknown = error.args[0].code() == KafkaError._UNKNOWN_PARTITION
                if not unknown or time.monotonic() > deadline:
                    raise
                producer.poll(0.1)

    def bulky(self, count: int) -> None:
        """Writes large events that cannot be compressed."""
        codes = list(self.workload.metrics)
        organizations = list(self.workload.organizations)
        for _ in range(count):
            self._bulky += 1
            subscription = mix(self._bulky) % self.generator.subscriptions
            noise = "".join(f"{mix(self._bulky << 16 | at):016x}" for at in range(BULK_BYTES // 16))
            event = {
                "organization_id": organizations[subscription % len(organizations)],
                "external_subscription_id": self.workload.subscription.format(n=subscription),
                "transaction_id": f"bulky-{self._bulky}",
                "code": codes[self._bulky % len(codes)],
                "timestamp": self.generator.month_start + self._bulky,
                "properties": {"gb": "0.125", "seconds": 3, "noise": noise},
            }
            partition = self._bulky % self.generator.partitions
            stamp = self.generator.record(1).timestamp_ms
            self._send(self.producer, partition, None, json.dumps(event), stamp)
        self.producer.poll(0)
        with self._lock:
            self.sent["bulky"] += count

    def transaction(self, count: int, end: str) -> None:
        """Writes records in one transaction, and then `commit`, `abort` or `abandon`s it.

        An abandoned one is aborted by the broker once its time is over; until then nobody can read
        what comes after it.
        """
        numbers = self.numbers(count)
        producer = self._connect(f"rig-{uuid.uuid4()}")
        committed = False
        try:
            producer.init_transactions(60)
            producer.begin_transaction()
            for number in numbers:
                record = self.generator.record(number)
                self._send(
                    producer, record.partition, record.key, record.value, record.timestamp_ms
                )
            if producer.flush(TRANSACTION_MS / 1000):
                raise Failure("the broker does not take a transaction")
            if end == "commit":
                producer.commit_transaction(60)
                committed = True
            elif end == "abort":
                producer.abort_transaction(60)
        finally:
            if not committed:
                producer.purge()
                with self._lock:
                    self._aborted += numbers
        with self._lock:
            self.sent[end] += count

    def repeat(self, partition: int, start: int, count: int, target: int, shift_ms: int) -> int:
        """Writes a range of a partition again as it is, elsewhere and at another time.

        Returns how many records that were.
        """
        reader = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": "rig-repeat",
                "enable.auto.commit": False,
                "log_level": 2,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        copied = 0
        try:
            reader.assign([TopicPartition(self.topic, partition, start)])
            deadline = time.monotonic() + FLUSH_SECONDS
            while copied < count:
                message = reader.poll(1.0)
                if time.monotonic() > deadline:
                    raise Failure("a range cannot be read again")
                if message is None:
                    continue
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        break
                    raise KafkaException(error)
                kind, stamp = message.timestamp()
                stamp = 0 if kind == TIMESTAMP_NOT_AVAILABLE else stamp
                value = cast("bytes | None", message.value())
                key = cast("bytes | None", message.key())
                self._send(self.producer, target, key, value, max(stamp + shift_ms, 1))
                copied += 1
        finally:
            reader.close()
        self.producer.poll(0)
        with self._lock:
            self.sent["repeat"] += copied
        return copied
