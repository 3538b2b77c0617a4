"""The comparison finds what differs, and the generator sends what it promises."""

from __future__ import annotations

import json
import threading
import unittest
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from compare import (
    Answer,
    Client,
    counter_differences,
    differences,
    of_read_topics,
    passed,
    reached,
)
from produce import DEFAULT_WORKLOAD, Generator, Record
from rule import Judge, Workload, priced

WORKLOAD = Workload.load(DEFAULT_WORKLOAD)
ORG = next(iter(WORKLOAD.organizations))
MONTH = "2026-11"
PARTITIONS = 3


def generated(records: int, seed: int = 1) -> tuple[Generator, Judge]:
    """A generator, and a judge of its first records."""
    generator = Generator(WORKLOAD, 20, PARTITIONS, seed, MONTH, 0.05)
    judge = Judge(WORKLOAD, [("events", partition) for partition in range(PARTITIONS)])
    offsets = [0] * PARTITIONS
    for number in range(records):
        record = generator.record(number)
        value = record.value.encode() if isinstance(record.value, str) else record.value
        judge.feed(
            ("events", record.partition), offsets[record.partition], record.timestamp_ms, value
        )
        offsets[record.partition] += 1
    return generator, judge


def answer_of(judge: Judge, subscription: str) -> Answer:
    """What a service would answer that agrees with the judge."""
    charges = []
    for code, metric in WORKLOAD.metrics.items():
        units, count, cents = priced(metric, judge.totals.get((ORG, subscription, code, MONTH)))
        charges.append(
            {
                "units": units,
                "events_count": count,
                "amount_cents": cents,
                "billable_metric": {"code": code},
            }
        )
    usage = {
        "from_datetime": f"{MONTH}-01T00:00:00Z",
        "amount_cents": sum(charge["amount_cents"] for charge in charges),
        "charges_usage": charges,
    }
    return Answer(ORG, subscription, 200, "events-0:1", {"customer_usage": usage})


def scrape(counts: dict[str, int]) -> str:
    """The text of a scrape with these counts."""
    return "".join(
        f'odometer_ledger_events{{outcome="{name}"}} {value}\n' for name, value in counts.items()
    )


class Service(BaseHTTPRequestHandler):
    """Answers what `answers` holds, to requests that carry the tenant's key."""

    protocol_version = "HTTP/1.1"
    # Head and body are written apart; without this each answer waits for a delayed acknowledgement.
    disable_nagle_algorithm = True
    answers: dict[str, Answer] = {}

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        subscription = parse_qs(parts.query)["external_subscription_id"][0]
        answer = self.answers[subscription]
        known = self.headers["Authorization"] == f"Bearer {WORKLOAD.organizations[ORG]}"
        wanted = f"/api/v1/customers/customer-{subscription.removeprefix('sub-')}/current_usage"
        body = json.dumps(answer.body).encode()
        self.send_response(answer.status if known and parts.path == wanted else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Odometer-Offsets", answer.offsets)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Asking(unittest.TestCase):
    def test_every_subscription_is_asked_for_on_connections_that_stay(self) -> None:
        _, judge = generated(500)
        Service.answers = {f"sub-{n}": answer_of(judge, f"sub-{n}") for n in range(20)}
        server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            client = Client(f"http://127.0.0.1:{server.server_port}", WORKLOAD, 20)
            answers = client.fetch_all()
            client.settle({("events", 0): 1}, 10)
            with self.assertRaises(TimeoutError):
                client.settle({("events", 0): 2}, 0.1)
        finally:
            server.shutdown()
            server.server_close()
        self.assertEqual({answer.subscription for answer in answers}, set(Service.answers))
        self.assertEqual([line for answer in answers for line in differences(answer, judge)], [])


class Comparing(unittest.TestCase):
    def setUp(self) -> None:
        _, self.judge = generated(3_000)

    def test_agreement(self) -> None:
        for n in range(20):
            self.assertEqual(differences(answer_of(self.judge, f"sub-{n}"), self.judge), [])

    def test_each_figure_is_looked_at(self) -> None:
        for name, wrong in [("units", "1.00"), ("events_count", -1), ("amount_cents", 10**9)]:
            answer = answer_of(self.judge, "sub-0")
            answer.body["customer_usage"]["charges_usage"][1][name] = wrong
            (line,) = differences(answer, self.judge)
            self.assertIn(f"gigabytes {name} is {wrong}", line)

    def test_sum_status_and_missing_charge_are_looked_at(self) -> None:
        answer = answer_of(self.judge, "sub-0")
        answer.body["customer_usage"]["amount_cents"] += 1
        self.assertEqual(len(differences(answer, self.judge)), 1)
        del answer.body["customer_usage"]["charges_usage"][0]
        self.assertIn("no charge for api_calls", "\n".join(differences(answer, self.judge)))
        self.assertEqual(len(differences(replace(answer, status=404), self.judge)), 1)

    def test_each_counter_is_looked_at(self) -> None:
        judge = self.judge
        counts = {
            "accepted": judge.accepted,
            "duplicate": judge.duplicate - judge.replaced,
            "replaced": judge.replaced,
            "rejected": sum(judge.rejected.values()),
            "set_aside": 0,
        }
        self.assertEqual(counter_differences(scrape(counts), judge), [])
        for name in counts:
            wrong = counts | {name: counts[name] + 1}
            self.assertEqual(len(counter_differences(scrape(wrong), judge)), 1, name)
        self.assertEqual(len(counter_differences("", judge)), 4)

    def test_nothing_compared_is_no_success(self) -> None:
        good = {"differences": 0, "subscriptions": 1, "events": 1}
        self.assertTrue(passed(good))
        for change in ({"differences": 1}, {"subscriptions": 0}, {"events": 0}):
            self.assertFalse(passed(good | change))

    def test_reached_looks_at_every_partition(self) -> None:
        wanted = {("e", 0): 5, ("e", 1): 2}
        self.assertTrue(reached({("e", 0): 5, ("e", 1): 3}, wanted))
        self.assertFalse(reached({("e", 0): 9}, wanted))


def timestamps(records: list[Record]) -> Iterator[Any]:
    """Timestamps of the records that hold one event."""
    for record in records:
        try:
            value = json.loads(record.value or "null")
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value.get("timestamp")


class Topics(unittest.TestCase):
    def test_only_empty_partitions_may_go_unjudged(self) -> None:
        read = {("events", 0)}
        offsets = {("events", 0): 7, ("http", 0): 0}
        self.assertEqual(of_read_topics(offsets, read), {("events", 0): 7})
        with self.assertRaises(ValueError):
            of_read_topics({("events", 0): 7, ("http", 0): 1}, read)


class Generating(unittest.TestCase):
    def test_same_seed_same_records_and_another_seed_others(self) -> None:
        (one, _), (two, _), (other, _) = generated(0), generated(0), generated(0, seed=2)
        self.assertEqual([one.record(n) for n in range(500)], [two.record(n) for n in range(500)])
        self.assertNotEqual(
            [one.record(n) for n in range(500)], [other.record(n) for n in range(500)]
        )

    def test_every_kind_is_there(self) -> None:
        generator, judge = generated(20_000)
        counters: dict[str, Any] = judge.counters()
        self.assertEqual(
            set(counters["rejected"]),
            {
                "not_json",
                "not_an_object",
                "too_large",
                "too_deep",
                "not_utf8",
                "value_is_mandatory",
                "invalid_format",
                "tombstone",
            },
        )
        self.assertGreater(counters["duplicate"], 20_000 * 0.03)
        self.assertLess(counters["duplicate"], 20_000 * 0.07)
        # Copies that took over from one that was fed earlier.
        self.assertGreater(counters["replaced"], 50)
        records = [generator.record(number) for number in range(5_000)]
        self.assertEqual({record.partition for record in records}, set(range(PARTITIONS)))
        keyed = Counter(record.key is None for record in records)
        self.assertGreater(keyed[True], 300)
        self.assertGreater(keyed[False], 3_000)
        stamps = list(timestamps(records))
        self.assertEqual({type(stamp) for stamp in stamps} & {int, float, str}, {int, float, str})
        self.assertTrue(
            any(isinstance(stamp, str) and stamp.endswith("+02:00") for stamp in stamps)
        )

    def test_months_around_the_present_one_have_events_too(self) -> None:
        _, judge = generated(20_000)
        self.assertTrue({"2026-10", "2026-11", "2026-12"} <= {month for *_, month in judge.totals})


if __name__ == "__main__":
    unittest.main()
