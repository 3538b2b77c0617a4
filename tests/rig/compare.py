"""Asks a running service for the usage of every subscription and compares it with the judge.

    dev/python tests/rig/compare.py --brokers 127.0.0.1:9092 --url http://127.0.0.1:8080 \\
        --subscriptions 10000 --settle

Every answer is judged at the offsets in its own Odometer-Offsets header, so the service may be
under load meanwhile. With --settle the service is first given time to reach the present ends of the
topics. Units, event counts and cents of every charge are compared, and the sum of cents.
Differences are printed; the exit code is 1 if there is one, or if nothing was compared.

    --serve    one comparison for each line on stdin, one JSON line for each; members of a request:
               settle    first wait until the service has caught up
               counters  compare the counters of /metrics as well; nothing may be written meanwhile
               url       from now on ask there: a restarted service has another port
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from judge import DEFAULT_WORKLOAD, Offsets, Reader, parse_offsets
from rule import Judge, Workload, priced

# Requests sent before their answers are read: the service never waits for the script.
PIPELINED = 64
# Longest wait of the service for the offsets it is asked for, in milliseconds.
OFFSETS_WAIT_MS = 60_000
SHOWN_MAX = 20


@dataclass(frozen=True)
class Answer:
    """One answered usage request."""

    organization: str
    subscription: str
    status: int
    offsets: str
    body: Any


class Connection:
    """One connection that stays; requests are sent ahead of the answers to those before."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=90)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = self.socket.makefile("rb", buffering=1 << 20)

    def send(self, requests: Iterable[str]) -> None:
        """Sends requests, each a head without a body."""
        self.socket.sendall("".join(requests).encode())

    def receive(self) -> tuple[int, str, bytes]:
        """The next answer: status, offsets, body."""
        words = self.answers.readline().split(None, 2)
        if len(words) < 2:
            raise ConnectionError("the service closed the connection")
        length, offsets = 0, ""
        while (line := self.answers.readline().strip()):
            name, _, value = line.partition(b":")
            name = name.lower()
            if name == b"content-length":
                length = int(value)
            elif name == b"odometer-offsets":
                offsets = value.strip().decode()
        return int(words[1]), offsets, self.answers.read(length)

    def close(self) -> None:
        """Ends the connection."""
        self.answers.close()
        self.socket.close()


class Client:
    """Requests to one service."""

    def __init__(self, url: str, workload: Workload, subscriptions: int) -> None:
        self.workload = workload
        organizations = list(workload.organizations)
        self.wanted = [(organizations[n % len(organizations)], n) for n in range(subscriptions)]
        self.point_at(url)

    def point_at(self, url: str) -> None:
        """From now on asks the service at this address."""
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80

    def fetch_all(self, upto: Offsets | None = None) -> list[Answer]:
        """The usage of every subscription, each at the given offsets or later."""
        return self._fetch(self.wanted, upto)

    def metrics(self) -> str:
        """The text of a scrape."""
        connection = Connection(self.host, self.port)
        try:
            connection.send([f"GET /metrics HTTP/1.1\r\nHost: {self.host}\r\n\r\n"])
            return connection.receive()[2].decode()
        finally:
            connection.close()

    def _fetch(
        self, wanted: Sequence[tuple[str, int]], upto: Offsets | None = None
    ) -> list[Answer]:
        # Two connections: while the answers on one are read, the service works on the other.
        connections = [Connection(self.host, self.port) for _ in range(2)]
        answers: list[Answer] = []
        sent: deque[tuple[Connection, Sequence[tuple[str, int]]]] = deque()
        try:
            for turn, start in enumerate(range(0, len(wanted), PIPELINED)):
                chunk = wanted[start : start + PIPELINED]
                connection = connections[turn % 2]
                connection.send(self._request(organization, n, upto) for organization, n in chunk)
                sent.append((connection, chunk))
                if len(sent) == 2:
                    answers += self._receive(*sent.popleft())
            while sent:
                answers += self._receive(*sent.popleft())
        finally:
            for connection in connections:
                connection.close()
        return answers

    def _request(self, organization: str, n: int, upto: Offsets | None) -> str:
        asked = {"external_subscription_id": self.workload.subscription.format(n=n)}
        if upto is not None:
            asked |= {"min_offset": offsets_text(upto), "wait": str(OFFSETS_WAIT_MS)}
        customer = quote(self.workload.customer.format(n=n), safe="")
        return (
            f"GET /api/v1/customers/{customer}/current_usage?{urlencode(asked)} HTTP/1.1\r\n"
            f"Host: {self.host}\r\n"
            f"Authorization: Bearer {self.workload.organizations[organization]}\r\n\r\n"
        )

    def _receive(
        self, connection: Connection, wanted: Iterable[tuple[str, int]]
    ) -> Iterator[Answer]:
        for organization, n in wanted:
            status, offsets, body = connection.receive()
            subscription = self.workload.subscription.format(n=n)
            told = json.loads(body) if body else None
            yield Answer(organization, subscription, status, offsets, told)

    def settle(self, ends: Offsets, seconds: float) -> None:
        """Waits until an answer reflects the given ends."""
        deadline = time.monotonic() + seconds
        while True:
            shown = ""
            try:
                # The first and the last subscription lie in different slots more often than not.
                answers = self._fetch([self.wanted[0], self.wanted[-1]])
                shown = " ".join(f"{answer.status} {answer.offsets}" for answer in answers)
                if all(
                    answer.offsets and reached(parse_offsets(answer.offsets), ends)
                    for answer in answers
                ):
                    return
            except (OSError, ValueError) as error:
                shown = str(error)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not at {ends} after {seconds} s: {shown}")
            time.sleep(0.05)


def offsets_text(offsets: Offsets) -> str:
    """The form of the Odometer-Offsets header."""
    return ",".join(f"{topic}-{part}:{next_}" for (topic, part), next_ in sorted(offsets.items()))


def reached(offsets: Offsets, wanted: Offsets) -> bool:
    """Whether all wanted partitions are at their wanted offsets or beyond."""
    return all(offsets.get(source, 0) >= offset for source, offset in wanted.items())


def of_read_topics(offsets: Offsets, read: set[tuple[str, int]]) -> Offsets:
    """Those of partitions that the judge reads. Nothing may be in any other one."""
    strange = {source: offset for source, offset in offsets.items() if source not in read}
    if any(strange.values()):
        raise ValueError(f"records in partitions that are not judged: {strange}")
    return {source: offset for source, offset in offsets.items() if source in read}


def differences(answer: Answer, judge: Judge) -> list[str]:
    """What an answer says otherwise than a judge who saw the same records."""
    who = f"{answer.organization}/{answer.subscription}"
    if answer.status != 200:
        return [f"{who}: status {answer.status}: {json.dumps(answer.body)}"]
    usage = answer.body["customer_usage"]
    month = usage["from_datetime"][:7]
    shown = {charge["billable_metric"]["code"]: charge for charge in usage["charges_usage"]}
    found = []
    cents_sum = 0
    for code, metric in judge.workload.metrics.items():
        total = judge.totals.get((answer.organization, answer.subscription, code, month))
        units, events_count, cents = priced(metric, total)
        cents_sum += cents
        if code not in shown:
            found.append(f"{who}: no charge for {code}")
            continue
        charge = shown[code]
        wanted = {"units": units, "events_count": events_count, "amount_cents": cents}
        for name, value in wanted.items():
            if charge[name] != value:
                drift = _drift(charge[name], value)
                found.append(f"{who}: {code} {name} is {charge[name]}, judged {value}{drift}")
    if usage["amount_cents"] != cents_sum:
        found.append(f"{who}: amount_cents is {usage['amount_cents']}, judged {cents_sum}")
    return found


def _drift(shown: Any, judged: Any) -> str:
    try:
        return f" ({Decimal(str(shown)) - Decimal(str(judged)):+f})"
    except ArithmeticError:
        return ""


_LEDGER = re.compile(r'^odometer_ledger_events\{outcome="(\w+)"\} (\d+)$', re.MULTILINE)


def counter_differences(metrics: str, judge: Judge) -> list[str]:
    """What the counters of a service at rest say otherwise than a judge of the same records."""
    shown = {name: int(value) for name, value in _LEDGER.findall(metrics)}
    # Which of two copies takes over depends on the order of reading; that one is extra does not.
    shown["duplicate"] = shown.get("duplicate", 0) + shown.get("replaced", 0)
    wanted = {
        "accepted": judge.accepted,
        "duplicate": judge.duplicate,
        "rejected": sum(judge.rejected.values()),
        "set_aside": judge.set_aside,
    }
    return [
        f"counter {name} is {shown.get(name)}, judged {value}"
        for name, value in wanted.items()
        if shown.get(name) != value
    ]


class Comparison:
    """Keeps a judge that goes forward with the service."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.workload = Workload.load(args.workload)
        self.client = Client(args.url, self.workload, args.subscriptions)
        self.reader = self._reader()

    def _reader(self) -> Reader:
        return Reader(self.args.brokers, self.args.topic or ["events_raw"], self.workload)

    def compare(self, settle: bool, counters: bool = False) -> dict[str, Any]:
        """Fetches everything once and judges it.

        Counters are judged only where asked for: nothing may be written meanwhile.
        """
        ends = self.reader.ends() if settle or counters else None
        if ends is not None:
            self.client.settle(ends, self.args.settle_seconds)
        answers = self.client.fetch_all(ends)
        found = [
            line
            for answer in answers
            if not answer.offsets
            for line in self._without_offsets(answer)
        ]
        by_offsets: dict[str, list[Answer]] = {}
        for answer in answers:
            if answer.offsets:
                by_offsets.setdefault(answer.offsets, []).append(answer)
        compared = events = 0
        for text in sorted(by_offsets, key=lambda text: sum(parse_offsets(text).values())):
            self._judge_at(parse_offsets(text))
            for answer in by_offsets[text]:
                found += differences(answer, self.reader.judge)
                compared += 1
                events += events_in(answer)
        if counters and ends is not None:
            self._judge_at(ends)
            found += counter_differences(self.client.metrics(), self.reader.judge)
        return {
            "subscriptions": compared,
            "totals": compared * len(self.workload.metrics),
            "events": events,
            "moments": len(by_offsets),
            "offsets": max(
                by_offsets, key=lambda text: sum(parse_offsets(text).values()), default=""
            ),
            "differences": len(found),
            "shown": found[:SHOWN_MAX],
            "counters": self.reader.judge.counters(),
        }

    def _judge_at(self, offsets: Offsets) -> None:
        offsets = of_read_topics(offsets, set(self.reader.next))
        if not reached(offsets, {source: self.reader.next[source] for source in offsets}):
            # Slots advance on their own: a moment that is behind on one partition is judged from
            # the start.
            self.reader.close()
            self.reader = self._reader()
        self.reader.advance(offsets)

    @staticmethod
    def _without_offsets(answer: Answer) -> list[str]:
        who = f"{answer.organization}/{answer.subscription}"
        return [f"{who}: status {answer.status}, no Odometer-Offsets"]


def events_in(answer: Answer) -> int:
    """Events that the charges of an answer count."""
    if answer.status != 200:
        return 0
    return sum(charge["events_count"] for charge in answer.body["customer_usage"]["charges_usage"])


def passed(result: dict[str, Any]) -> bool:
    """Nothing differs, and there was something to compare."""
    return result["differences"] == 0 and result["subscriptions"] > 0 and result["events"] > 0


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--brokers", required=True)
    parser.add_argument(
        "--topic", action="append", default=[], help="repeat for several (events_raw)"
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument(
        "--workload", default=DEFAULT_WORKLOAD, help="metrics, tenants and limits (workload.json)"
    )
    parser.add_argument(
        "--settle", action="store_true", help="first wait until the service has caught up"
    )
    parser.add_argument("--settle-seconds", type=float, default=120)
    parser.add_argument("--serve", action="store_true", help="compare once for each line on stdin")
    return parser


def main() -> int:
    """Runs the command line."""
    args = arguments().parse_args()
    # Millions of small objects without cycles: the collector would only walk over them.
    gc.disable()
    comparison = Comparison(args)
    good = True
    for line in sys.stdin if args.serve else ["{}"]:
        try:
            request = json.loads(line)
            if "url" in request:
                comparison.client.point_at(request["url"])
            result = comparison.compare(
                args.settle or bool(request.get("settle")), bool(request.get("counters"))
            )
        except (ValueError, OSError) as error:
            result = {"error": str(error), "differences": 1, "subscriptions": 0, "events": 0}
        result["passed"] = passed(result)
        good = good and result["passed"]
        print(json.dumps(result, indent=None if args.serve else 1), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
