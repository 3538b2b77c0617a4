"""Asks a running service for the usage of every subscription and compares it with the judge.

    dev/python tests/rig/compare.py --brokers 127.0.0.1:9092 --url http://127.0.0.1:8080 \\
        --subscriptions 10000 --settle

Every answer is judged at the offsets in its own Odometer-Offsets header, so the service may be
under load meanwhile. With --settle the service is first given time to reach the present ends of the
topics. Units, event counts and cents of every charge are compared, and the sum of cents.
Differences are printed; the exit code is 1 if there is one, or if nothing was compared.

    --serve    one comparison for each line on stdin: {"settle": true} or {}; one JSON line for each
"""

from __future__ import annotations

import argparse
import gc
import http.client
import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from judge import DEFAULT_WORKLOAD, Offsets, Reader, parse_offsets
from rule import Judge, Workload, priced

# Plenty to keep two cores busy; more would only queue.
CONNECTIONS = 4
SHOWN_MAX = 20


@dataclass(frozen=True)
class Answer:
    """One answered usage request."""

    organization: str
    subscription: str
    status: int
    offsets: str
    body: Any


class Client:
    """Requests to one service, each thread on a connection of its own."""

    def __init__(self, url: str, workload: Workload, subscriptions: int) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.workload = workload
        organizations = list(workload.organizations)
        self.wanted = [(organizations[n % len(organizations)], n) for n in range(subscriptions)]

    def fetch_all(self) -> list[Answer]:
        """The usage of every subscription."""
        slices = [self.wanted[start::CONNECTIONS] for start in range(CONNECTIONS)]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return [answer for answers in pool.map(self._fetch, slices) for answer in answers]

    def _fetch(self, wanted: Iterable[tuple[str, int]]) -> list[Answer]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            return [self._ask(connection, organization, n) for organization, n in wanted]
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, organization: str, n: int) -> Answer:
        subscription = self.workload.subscription.format(n=n)
        customer = quote(self.workload.customer.format(n=n), safe="")
        query = urlencode({"external_subscription_id": subscription})
        headers = {"Authorization": f"Bearer {self.workload.organizations[organization]}"}
        connection.request(
            "GET", f"/api/v1/customers/{customer}/current_usage?{query}", headers=headers
        )
        response = connection.getresponse()
        body = response.read()
        return Answer(
            organization,
            subscription,
            response.status,
            response.headers.get("Odometer-Offsets", ""),
            json.loads(body) if body else None,
        )

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
            except (OSError, http.client.HTTPException) as error:
                shown = str(error)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not at {ends} after {seconds} s: {shown}")
            time.sleep(0.05)


def reached(offsets: Offsets, wanted: Offsets) -> bool:
    """Whether all wanted partitions are at their wanted offsets or beyond."""
    return all(offsets.get(source, 0) >= offset for source, offset in wanted.items())


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


class Comparison:
    """Keeps a judge that goes forward with the service."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.workload = Workload.load(args.workload)
        self.client = Client(args.url, self.workload, args.subscriptions)
        self.reader = self._reader()

    def _reader(self) -> Reader:
        return Reader(self.args.brokers, self.args.topic or ["events_raw"], self.workload)

    def compare(self, settle: bool) -> dict[str, Any]:
        """Fetches everything once and judges it."""
        if settle:
            self.client.settle(self.reader.ends(), self.args.settle_seconds)
        answers = self.client.fetch_all()
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
                events += _events_in(answer)
        return {
            "subscriptions": compared,
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


def _events_in(answer: Answer) -> int:
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
            result = comparison.compare(args.settle or bool(json.loads(line).get("settle")))
        except (ValueError, OSError, http.client.HTTPException) as error:
            result = {"error": str(error), "differences": 1, "subscriptions": 0, "events": 0}
        result["passed"] = passed(result)
        good = good and result["passed"]
        print(json.dumps(result, indent=None if args.serve else 1), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
