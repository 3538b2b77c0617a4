"""Reads whole topics and prints what every total must be.

    dev/python tests/rig/judge.py --brokers 127.0.0.1:9092 --topic events_raw
    dev/python tests/rig/judge.py --brokers ... --upto events_raw-0:1042,events_raw-1:977
    dev/python tests/rig/judge.py --brokers ... --serve

With --serve each line on stdin is a request, a JSON object, and is answered by one line of JSON:

    {"upto": "events_raw-0:1042"}   advance to these next offsets; {} means to the present ends
    {"upto": "...", "month": "2026-11", "totals": false}

A server only goes forward, so asking after every restart of the service costs what was added since.

The meaning of --upto is that of the Odometer-Offsets header: everything below is judged, nothing at
or above. Only committed records are read.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from rule import Judge, Workload

Source = tuple[str, int]
Offsets = dict[Source, int]

BATCH = 10_000
DEFAULT_WORKLOAD = Path(__file__).with_name("workload.json")


def parse_offsets(text: str) -> Offsets:
    """Next offsets by (topic, partition) from the form of the Odometer-Offsets header."""
    offsets: Offsets = {}
    for item in text.split(","):
        name, colon, offset = item.strip().rpartition(":")
        topic, dash, partition = name.rpartition("-")
        if not (colon and dash and topic and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"expected topic-partition:next, got {item!r}")
        offsets[topic, int(partition)] = int(offset)
    return offsets


class Reader:
    """Feeds a judge from Kafka, partition by partition up to wanted offsets."""

    def __init__(
        self, brokers: str, topics: list[str], workload: Workload, stall_seconds: float = 60.0
    ) -> None:
        self.stall_seconds = stall_seconds
        self.consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "odometer-judge",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "check.crcs": True,
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 131_072,
                # Rigs take the broker away on purpose; what matters is raised.
                "log_level": 2,
            }
        )
        sources = [(topic, partition) for topic in topics for partition in self._metadata(topic)]
        self.judge = Judge(workload, sources)
        self.next: Offsets = {}
        # Where the reading of a partition last found its end; it is told once per end.
        self.seen_end: Offsets = {}
        self.waiting: dict[Source, deque[Message]] = {source: deque() for source in sources}
        for source in sources:
            low, _ = self.consumer.get_watermark_offsets(TopicPartition(*source), timeout=30)
            self.next[source] = low
        self.consumer.assign(
            [TopicPartition(*source, offset) for source, offset in self.next.items()]
        )
        self.idle: set[Source] = set()

    def _metadata(self, topic: str) -> list[int]:
        found = self.consumer.list_topics(topic, timeout=30).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    def ends(self) -> Offsets:
        """The offsets that follow the last committed record of every partition, as of now."""
        return {
            source: self.consumer.get_watermark_offsets(TopicPartition(*source), timeout=30)[1]
            for source in self.next
        }

    def advance(self, upto: Offsets | None = None) -> None:
        """Feeds all records below the wanted offsets; without them, up to the present ends."""
        wanted = upto if upto is not None else self.ends()
        unknown = wanted.keys() - self.next.keys()
        if unknown:
            raise ValueError(f"not among the topics read: {sorted(unknown)}")
        for source, offset in wanted.items():
            if offset < self.next[source]:
                raise ValueError(
                    f"{source} was judged up to {self.next[source]} already, not {offset}"
                )
        for source, offset in wanted.items():
            self._drain(source, offset)
            self._pass_gap(source, offset)
        self._select({source for source, offset in wanted.items() if self.next[source] < offset})
        behind = {source for source, offset in wanted.items() if self.next[source] < offset}
        patience = time.monotonic() + self.stall_seconds
        while behind:
            messages = self.consumer.consume(BATCH, timeout=0.2)
            if messages:
                patience = time.monotonic() + self.stall_seconds
            elif time.monotonic() > patience:
                raise TimeoutError(
                    f"nothing read for {self.stall_seconds} s, still missing {sorted(behind)}"
                )
            for message in messages:
                self._sort_in(message, wanted)
            done = {source for source in behind if self.next[source] >= wanted[source]}
            if done:
                behind -= done
                self._select(behind)

    def _sort_in(self, message: Message, wanted: Offsets) -> None:
        source = cast(Source, (message.topic(), message.partition()))
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            self.seen_end[source] = cast(int, message.offset())
            self._pass_gap(source, wanted.get(source, 0))
            return
        self.waiting[source].append(message)
        self._drain(source, wanted.get(source, 0))

    def _pass_gap(self, source: Source, upto: int) -> None:
        """Markers and aborted records at the end are passed without a message."""
        if not self.waiting[source]:
            self.next[source] = max(self.next[source], min(self.seen_end.get(source, 0), upto))

    def _drain(self, source: Source, upto: int) -> None:
        """Judges the messages at hand below an offset.

        A message at or above the offset shows that none is missing.
        """
        queue = self.waiting[source]
        while queue and (offset := cast(int, queue[0].offset())) < upto:
            message = queue.popleft()
            kind, stamp = message.timestamp()
            known = stamp if kind != TIMESTAMP_NOT_AVAILABLE else None
            self.judge.feed(source, offset, known, message.value())
            self.next[source] = offset + 1
        if queue:
            self.next[source] = max(self.next[source], upto)

    def _select(self, wanted: set[Source]) -> None:
        """Lets only these partitions flow, so that the others do not pile up."""
        idle = set(self.next) - wanted
        if idle - self.idle:
            self.consumer.pause([TopicPartition(*source) for source in idle - self.idle])
        if self.idle - idle:
            self.consumer.resume([TopicPartition(*source) for source in self.idle - idle])
        self.idle = idle

    def report(self, month: str, totals: bool = True) -> dict[str, Any]:
        """The judge's report, with the offsets it reflects."""
        offsets = ",".join(
            f"{topic}-{part}:{self.next[topic, part]}" for topic, part in sorted(self.next)
        )
        full = (
            self.judge.report(month)
            if totals
            else {"month": month, "counters": self.judge.counters()}
        )
        return {"offsets": offsets} | full

    def close(self) -> None:
        """Leaves the brokers."""
        self.consumer.close()


def this_month() -> str:
    """The present calendar month in UTC."""
    return datetime.now(UTC).strftime("%Y-%m")


def serve(reader: Reader, month: str | None) -> None:
    """Answers requests from stdin until it ends."""
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            upto = request.get("upto")
            reader.advance(parse_offsets(upto) if upto else None)
            answer = reader.report(
                request.get("month") or month or this_month(), request.get("totals", True)
            )
        except (ValueError, TimeoutError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--brokers", required=True)
    parser.add_argument(
        "--topic", action="append", default=[], help="repeat for several (events_raw)"
    )
    parser.add_argument(
        "--workload", default=DEFAULT_WORKLOAD, help="metrics, tenants and limits (workload.json)"
    )
    parser.add_argument("--upto", help="judge this prefix only: topic-partition:next,...")
    parser.add_argument("--month", help="calendar month in UTC, such as 2026-11 (the present one)")
    parser.add_argument("--no-totals", action="store_true", help="print the counters only")
    parser.add_argument("--serve", action="store_true", help="answer requests from stdin")
    return parser


def main() -> int:
    """Runs the command line."""
    args = arguments().parse_args()
    # Millions of small objects without cycles: the collector would only walk over them.
    gc.disable()
    reader = Reader(args.brokers, args.topic or ["events_raw"], Workload.load(args.workload))
    try:
        if args.serve:
            serve(reader, args.month)
        else:
            reader.advance(parse_offsets(args.upto) if args.upto else None)
            print(
                json.dumps(reader.report(args.month or this_month(), not args.no_totals), indent=1)
            )
    finally:
        reader.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
