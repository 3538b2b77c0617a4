"""Writes a seeded workload of usage records to Kafka, good and bad ones.

    dev/python tests/rig/produce.py --brokers 127.0.0.1:9092 --topic events_raw --records 300000

What record number i holds depends on the seed, i and the month alone, so a run can be repeated, or
cut into slices with --start. Among the records:

  duplicates   5 %: a third of them lie on another partition with another value and another clock
  poison       not JSON, cut off, no object, too large, too deep, no UTF-8, half a surrogate pair,
               missing and blank fields, bad timestamps, tombstones
  lists        records that hold several events, now and then a bad one among them
  dialects     timestamps as numbers, texts with blanks and separators, exponents, RFC 3339; values
               as numbers, texts, exponents and things no sum takes
  strays       no key, no subscription id, unknown metrics, other months, millisecond epochs

Record timestamps run on one clock per partition; the clocks lie apart, so that the copy of a
transaction that is read last is often the one with the smallest position. The last line on stdout
is a JSON summary.
"""

from __future__ import annotations

import argparse
import calendar
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from rule import Workload

MASK = 2**64 - 1
DEFAULT_WORKLOAD = Path(__file__).with_name("workload.json")

# Out of 10 000 records.
POISON = 30
LISTS = 60
# The clock of each partition lies this much behind that of the one before.
CLOCK_STEP_MS = 40_000
# Records per millisecond of those clocks.
RECORDS_PER_MS = 20
# Every so often a poison record is a large one; more would make the topic mostly ballast.
LARGE_EVERY = 16


def mix(value: int) -> int:
    """A well-spread 64-bit number for each number (the finalizer of splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


class Record(NamedTuple):
    """What is sent."""

    partition: int
    timestamp_ms: int
    key: str | None
    value: bytes | str | None


class Generator:
    """Records by number."""

    def __init__(
        self,
        workload: Workload,
        subscriptions: int,
        partitions: int,
        seed: int,
        month: str,
        duplicates: float,
    ) -> None:
        self.subscriptions = subscriptions
        self.partitions = partitions
        self.seed = mix(seed)
        self.duplicates = int(duplicates * 10_000)
        self.organizations = list(workload.organizations)
        self.names = workload.subscription
        self.limits = workload.limits
        self.codes = list(workload.metrics)
        self.fields = [workload.metrics[code].field for code in self.codes]
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        self.month_start = int(start.timestamp())
        self.month_seconds = calendar.monthrange(start.year, start.month)[1] * 86_400
        # The clocks start late enough to stand behind no epoch and never run ahead of now by much.
        self.clock_ms = self.month_start * 1000 + partitions * CLOCK_STEP_MS

    def record(self, number: int) -> Record:
        """Record `number`; a duplicate repeats an earlier one, all over the run."""
        dice = mix(self.seed ^ number)
        lot = dice % 10_000
        if lot < self.duplicates and number:
            return self._duplicate(number, mix(dice))
        if lot >= 10_000 - POISON:
            return self._poison(number, mix(dice))
        if lot >= 10_000 - POISON - LISTS:
            return self._list(number, mix(dice))
        subscription = self._subscription(dice)
        return self._at(
            number, subscription, dice, subscription, self._event(number, subscription, mix(dice))
        )

    def _at(
        self, number: int, home: int, dice: int, key: int | None, value: bytes | str | None
    ) -> Record:
        partition = home % self.partitions
        name: str | None = None
        if key is not None:
            if (dice >> 50) % 10 == 0:  # no key: wherever it falls
                partition = (dice >> 40) % self.partitions
            else:
                name = f"{self._organization(key)}-{self.names.format(n=key)}"
        stamp = (
            self.clock_ms
            + number // RECORDS_PER_MS
            - partition * CLOCK_STEP_MS
            - (dice >> 20) % 200
        )
        return Record(partition, stamp, name, value)

    def _organization(self, subscription: int) -> str:
        return self.organizations[subscription % len(self.organizations)]

    def _subscription(self, dice: int) -> int:
        # The square of an even number between 0 and 1: few subscriptions have many events.
        share = (dice >> 20) & 0xFFFF_FFFF
        return (self.subscriptions * share * share) >> 64

    def _transaction(self, number: int) -> str:
        # Some producers number their transactions; a number and its text are the same transaction.
        return str(number) if number % 37 == 0 else f'"tx-{self.seed & 0xFFFF:04x}-{number}"'

    def _event(self, number: int, subscription: int, dice: int, change: int = 0) -> str:
        kind = dice % 1000
        code = 0 if kind < 450 else 1 if kind < 850 else 2
        code = min(code, len(self.codes) - 1)
        name = self.codes[code] if kind < 985 else "unheard_of"
        properties = self._properties(self.fields[code], (dice >> 10) + change)
        owner = f'"external_subscription_id":"{self.names.format(n=subscription)}",'
        if (dice >> 33) % 200 == 0:
            owner = '"external_subscription_id":null,' if number % 2 else ""
        return (
            f'{{"organization_id":"{self._organization(subscription)}",{owner}'
            f'"transaction_id":{self._transaction(number)},"code":"{name}",'
            f'"timestamp":{self._timestamp(dice >> 36)},{properties}'
            f'"precise_total_amount_cents":"0.0","source":"rig",'
            f'"ingested_at":"2025-03-03T13:03:29.123"}}'
        )

    def _properties(self, field: str | None, dice: int) -> str:
        lot = dice % 64
        units, decimals = (dice >> 6) % 1000, (dice >> 16) % 10_000
        if lot == 0:
            return ""
        if lot == 1:
            return '"properties":null,'
        if lot < 40:
            value = f"{units}.{decimals:04d}" if lot % 2 else f'"{units}.{decimals:04d}"'
        elif lot < 56:
            value = str(units)
        else:
            value = (
                f"-{units}.5",
                f'"{units}e2"',
                f"{units}.25e1",
                f"{units}e-3",
                f'"+{units}"',
                f'" {units}"',
                "true",
                "null",
            )[lot - 56]
        return f'"properties":{{"{field or "path"}":{value},"region":"eu-{units % 7}"}},'

    def _timestamp(self, dice: int) -> str:
        lot, form = dice % 256, (dice >> 8) % 16
        seconds = self.month_start + (dice >> 12) % self.month_seconds
        if lot < 6:  # the month before, the one after, and both edges of this one
            seconds = self.month_start + (-86_400, self.month_seconds + 3_600, -1, 0)[lot % 4]
        micros = (dice >> 5) % 1_000_000
        if lot == 6:
            return f"{seconds}000"  # milliseconds: beyond every month
        if lot == 7:
            return f"{self.month_start + self.month_seconds - 1}.9999999"
        if form < 6:
            return f'"{seconds}.{micros // 1000:03d}"'
        if form < 9:
            return str(seconds)
        if form < 11:
            return f"{seconds}.{micros:06d}"
        if form == 11:
            return f'"{seconds}"'
        if form == 12:
            return f"{seconds}{micros:06d}e-6"
        if form == 13:
            text = str(seconds)
            return f'" {text[:-6]}_{text[-6:-3]}_{text[-3:]}.5 "'
        moment = datetime.fromtimestamp(seconds + (7_200 if form == 14 else 0), UTC)
        return f'"{moment:%Y-%m-%dT%H:%M:%S}.{micros:06d}{"+02:00" if form == 14 else "Z"}"'

    def _duplicate(self, number: int, dice: int) -> Record:
        # Half of the copies follow closely, half lie anywhere before.
        back = 1 + (dice >> 8) % min(number, 5_000 if dice & 1 else number)
        original = number - back
        first = mix(self.seed ^ original)
        subscription = self._subscription(first)
        apart = dice % 3 == 0
        # Of a duplicate, of poison and of a list the number itself was never sent alone: then this
        # is new.
        value = self._event(original, subscription, mix(first), dice & 0xFFFF if apart else 0)
        return self._at(
            number, subscription + (1 + (dice >> 60) if apart else 0), dice, None, value
        )

    def _list(self, number: int, dice: int) -> Record:
        subscription = self._subscription(dice)
        # Items take numbers that no record has of its own.
        items = [
            self._event(
                -(number * 8 + at), (subscription + at) % self.subscriptions, mix(dice + at)
            )
            for at in range(dice % 5)
        ]
        if dice % 7 == 0:
            items.insert(len(items) // 2, ("7", "null", '{"code":"api_calls"}')[dice % 3])
        return self._at(number, subscription, dice, None, f"[{','.join(items)}]")

    def _poison(self, number: int, dice: int) -> Record:
        subscription = self._subscription(dice)
        good = self._event(number, subscription, mix(dice))
        organization = f'"organization_id":"{self._organization(subscription)}",'
        deep = self.limits.depth_max
        kind = dice % LARGE_EVERY
        value: bytes | str | None
        if kind == 0:
            value = good[:-1] + ',"ballast":"' + "x" * self.limits.record_bytes_max + '"}'
        else:
            value = (
                "not json at all",
                good[:-9],
                '"a text"',
                "[" * (deep + 1) + "]" * (deep + 1),
                good[:-1] + ',"x":NaN}',
                good[:-1].encode() + b',"x":"\xc3\x28"}',
                good[:-1] + ',"x":"\\ud83d"}',
                good.replace(organization, ""),
                good.replace('"transaction_id":', '"other_id":'),
                good.replace('"code":', '"code":" ","other":'),
                good.replace('"timestamp":', '"other":'),
                good.replace('"timestamp":', '"timestamp":"soon","other":'),
                good.replace('"timestamp":', '"timestamp":1e30,"other":'),
                None,
                "",
            )[kind - 1]
        return self._at(number, subscription, dice, None if kind % 2 else subscription, value)


class Sender:
    """Hands records to the client, with back pressure, and counts what the broker confirmed."""

    def __init__(self, brokers: str, topic: str) -> None:
        self.topic = topic
        self.failures: list[str] = []
        self.confirmed = 0
        self.producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 10,
                "batch.num.messages": 10_000,
                "queue.buffering.max.messages": 500_000,
                "queue.buffering.max.kbytes": 262_144,
                "on_delivery": self._delivered,
            }
        )

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.confirmed += 1
        else:
            self.failures.append(str(error))

    def send(self, record: Record) -> None:
        """Waits while the queue is full."""
        while True:
            try:
                self.producer.produce(
                    self.topic,
                    record.value,
                    record.key,
                    record.partition,
                    timestamp=record.timestamp_ms,
                )
                return
            except BufferError:
                self.producer.poll(0.1)

    def finish(self) -> None:
        """Waits until everything is confirmed. Raises if anything was not."""
        self.producer.flush(120)
        if self.failures or len(self.producer):
            raise KafkaException(
                f"{len(self.failures)} failed, {len(self.producer)} unsent: {self.failures[:1]}"
            )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Sends the slice and returns the summary."""
    workload = Workload.load(args.workload)
    sender = Sender(args.brokers, args.topic)
    found = sender.producer.list_topics(args.topic, timeout=30).topics[args.topic]
    if found.error is not None:
        raise KafkaException(found.error)
    generator = Generator(
        workload, args.subscriptions, len(found.partitions), args.seed, args.month, args.duplicates
    )
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    begun, size, number = time.monotonic(), 0, args.start
    while number < args.start + args.records and not stopped:
        record = generator.record(number)
        size += len(record.value or "")
        sender.send(record)
        number += 1
        if number % 500 == 0:
            sender.producer.poll(0)
            if args.rate:
                time.sleep(max(0.0, (number - args.start) / args.rate - (time.monotonic() - begun)))
    sender.finish()
    seconds = time.monotonic() - begun
    return {
        "records": number - args.start,
        "next": number,
        "confirmed": sender.confirmed,
        "bytes": size,
        "seconds": round(seconds, 3),
        "records_per_second": round((number - args.start) / seconds) if seconds else 0,
    }


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    present = datetime.now(UTC)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--brokers", required=True)
    parser.add_argument(
        "--topic", default="events_raw", help="existing topic; its partitions are used as they are"
    )
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first record")
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--duplicates", type=float, default=0.05, help="share of records (0.05)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--month", default=f"{present:%Y-%m}", help="month of the events (the present one)"
    )
    parser.add_argument(
        "--rate", type=float, default=0, help="records per second (as fast as it goes)"
    )
    parser.add_argument(
        "--workload", default=DEFAULT_WORKLOAD, help="metrics, tenants and limits (workload.json)"
    )
    return parser


def main() -> int:
    """Runs the command line."""
    print(json.dumps(run(arguments().parse_args())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
