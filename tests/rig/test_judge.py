"""The judge's rule on small cases: python -m unittest discover -s tests/rig."""

from __future__ import annotations

import itertools
import json
import unittest
from decimal import Decimal
from typing import Any

import rule
from judge import parse_offsets
from rule import Judge, Limits, Metric, Workload

ORG = "org"
WORKLOAD = Workload(
    organizations={ORG: "key"},
    metrics={
        "calls": Metric("count_agg", None, Decimal("0.013")),
        "gb": Metric("sum_agg", "gb", Decimal("0.25")),
    },
    limits=Limits(record_bytes_max=4096, depth_max=8, events_per_record_max=4),
)
P0, P1 = ("events", 0), ("events", 1)
NOVEMBER = 1_762_000_000  # 2025-11-01T12:26:40Z


def event(transaction: Any, gb: Any = 1, **changes: Any) -> dict[str, Any]:
    """An event that counts, with changes; a change to ... leaves the member out."""
    fields = {
        "organization_id": ORG,
        "external_subscription_id": "s",
        "transaction_id": transaction,
        "code": "gb",
        "timestamp": NOVEMBER,
        "properties": {"gb": gb},
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def judged(*records: tuple[tuple[str, int], int, int | None, Any]) -> Judge:
    """A judge that was fed (source, offset, timestamp, value): bytes as they are, else as JSON."""
    judge = Judge(WORKLOAD, [P0, P1])
    for source, offset, timestamp, value in records:
        raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        judge.feed(source, offset, timestamp, raw)
    return judge


def gb_of(judge: Judge, month: str = "2025-11", subscription: str = "s") -> tuple[str, int]:
    total = judge.totals.get((ORG, subscription, "gb", month), rule.Total())
    return rule.decimal_text(total.units), total.events_count


class Positions(unittest.TestCase):
    def test_smallest_position_wins_in_any_interleaving(self) -> None:
        # Log times: 100, 100 on partition 0 (the second stamp lies behind), 95 on partition 1.
        zero = [(P0, 7, 100, event("a", 1)), (P0, 8, 90, event("b", 20))]
        one = [(P1, 3, 95, event("a", 300)), (P1, 4, 100, event("b", 4000))]
        orders = [
            zero + one,
            one + zero,
            [zero[0], one[0], zero[1], one[1]],
            [one[0], zero[0], one[1], zero[1]],
        ]
        for order in orders:
            judge = judged(*order)
            # "a": (95, 1, 3) beats (100, 0, 7). "b": (100, 0, 8) beats (100, 1, 4) by partition.
            self.assertEqual(gb_of(judge), ("320.0", 2))
            self.assertEqual((judge.accepted, judge.duplicate), (2, 2))

    def test_index_in_record_breaks_ties(self) -> None:
        judge = judged((P0, 0, 5, [event("a", 1), event("a", 2), event("b", 4)]))
        self.assertEqual(gb_of(judge), ("5.0", 2))
        self.assertEqual(judge.duplicate, 1)

    def test_record_without_timestamp_takes_its_predecessors(self) -> None:
        judge = judged(
            (P0, 0, 50, event("x", 1)), (P0, 1, None, event("a", 10)), (P1, 0, 49, event("a", 100))
        )
        self.assertEqual(gb_of(judge), ("101.0", 2))

    def test_replacement_moves_between_metrics_and_months(self) -> None:
        old = event("a", 5, code="calls")
        new = event("a", 7, timestamp="2025-10-31T23:59:59.999999Z")
        judge = judged((P0, 0, 10, old), (P1, 0, 5, new))
        self.assertEqual(gb_of(judge, "2025-10"), ("7.0", 1))
        self.assertEqual(judge.report("2025-11")["totals"], {})

    def test_copies_with_an_invisible_winner_count_nothing(self) -> None:
        judge = judged((P0, 0, 1, event("a", "abc")), (P0, 1, 2, event("a", 9)))
        self.assertEqual(gb_of(judge), ("0.0", 0))
        self.assertEqual((judge.accepted, judge.duplicate, judge.replaced), (1, 1, 0))


class Keys(unittest.TestCase):
    def test_null_subscriptions_neither_deduplicate_nor_count(self) -> None:
        null, absent = (
            event("a", external_subscription_id=None),
            event("a", external_subscription_id=...),
        )
        judge = judged((P0, 0, 1, null), (P0, 1, 1, absent), (P0, 2, 1, null))
        self.assertEqual((judge.accepted, judge.duplicate, judge.totals), (3, 0, {}))

    def test_empty_subscription_deduplicates(self) -> None:
        empty = event("a", external_subscription_id="")
        judge = judged((P0, 0, 1, empty), (P0, 1, 1, empty))
        self.assertEqual((judge.accepted, judge.duplicate), (1, 1))

    def test_key_has_the_subscription_but_neither_code_nor_time(self) -> None:
        other = event("a", 2, external_subscription_id="t")
        again = event("a", 2, code="unheard-of", timestamp=0)
        judge = judged((P0, 0, 1, event("a", 1)), (P0, 1, 1, other), (P0, 2, 1, again))
        self.assertEqual((judge.accepted, judge.duplicate), (2, 1))
        self.assertEqual(gb_of(judge, subscription="t"), ("2.0", 1))

    def test_scalars_are_text(self) -> None:
        judge = judged(
            (P0, 0, 1, event(12, 1)),
            (P0, 1, 1, event("12", 2)),
            (P0, 2, 1, event("s", 4, external_subscription_id=7)),
        )
        self.assertEqual(gb_of(judge), ("1.0", 1))
        self.assertEqual(gb_of(judge, subscription="7"), ("4.0", 1))

    def test_unknown_organization_is_set_aside(self) -> None:
        judge = judged((P0, 0, 1, event("a", organization_id="else")))
        self.assertEqual((judge.accepted, judge.set_aside), (0, 1))


class Rejections(unittest.TestCase):
    def test_reasons(self) -> None:
        cases: list[tuple[Any, str]] = [
            (None, "tombstone"),
            (b"x" * 4097, "too_large"),
            (b'{"a": "\xff"}', "not_utf8"),
            (b"", "not_json"),
            (b"nonsense", "not_json"),
            (b'{"a": 1', "not_json"),
            (b'{"a": NaN}', "not_json"),
            (b'{"a": "\\ud800"}', "not_json"),
            (b"\xef\xbb\xbf{}", "not_json"),
            (b"[" * 9 + b"]" * 9, "too_deep"),
            (b'"text"', "not_an_object"),
            (b"[1]", "not_an_object"),
            (b"[[]]", "not_an_object"),
            ([{}] * 5, "too_many_events"),
            (event("a", organization_id=...), "value_is_mandatory"),
            (event(None), "value_is_mandatory"),
            (event("a", code=" \t"), "value_is_mandatory"),
            (event("a", code=["x"]), "invalid_format"),
            (event("a\0"), "invalid_format"),
            (event("a", properties={"x": "\0"}), "invalid_format"),
            (event("a", timestamp=...), "invalid_format"),
            (event("a", timestamp=True), "invalid_format"),
            (event("a", timestamp="yesterday"), "invalid_format"),
            (event("a" * 9000), "too_large"),
        ]
        for value, reason in cases:
            self.assertEqual(judged((P0, 0, 1, value)).rejected, {reason: 1}, value)

    def test_brackets_in_texts_are_no_depth(self) -> None:
        self.assertEqual(
            judged((P0, 0, 1, event("[" * 50, properties={"gb": 1, "\\": '"{' * 20}))).accepted, 1
        )

    def test_bad_item_leaves_its_neighbours_alone(self) -> None:
        judge = judged((P0, 0, 1, [event("a", 1), 5, event("b", 2)]), (P0, 1, 1, []))
        self.assertEqual(
            (judge.accepted, judge.rejected, judge.records), (2, {"not_an_object": 1}, 2)
        )

    def test_rejected_copy_takes_no_id(self) -> None:
        judge = judged((P0, 0, 1, event("a", 1, timestamp="")), (P0, 1, 2, event("a", 2)))
        self.assertEqual((gb_of(judge), judge.duplicate), (("2.0", 1), 0))


class Values(unittest.TestCase):
    def test_timestamps(self) -> None:
        number = rule.Number
        cases: list[tuple[Any, int]] = [
            (number("1741007009"), 1_741_007_009_000_000),
            ("1741007009.1239999", 1_741_007_009_123_999),
            (number("1741007009123e-3"), 1_741_007_009_123_000),
            (" 1_741_007_009.5 ", 1_741_007_009_500_000),
            ("-0.0000001", -1),
            ("+.5", 500_000),
            ("5.", 5_000_000),
            ("0e999999999999", 0),
            ("1741007009123", 1_741_007_009_123_000_000),
            ("9223372036854.775807", 2**63 - 1),
            ("2025-03-03T14:03:29.1234569+01:00", 1_741_007_009_123_456),
            ("1969-12-31T23:59:59.9999999z", -1),
        ]
        for value, micros in cases:
            self.assertEqual(rule.parse_timestamp(value), micros, value)
        wrong: list[Any] = [
            None,
            True,
            "",
            " ",
            ".",
            "-",
            "1__0",
            "_1",
            "1_",
            "1e",
            "0x10",
            "1 0",
            "\N{ARABIC-INDIC DIGIT ONE}",
            "9223372036854.775808",
            number("1e30"),
            "2023-02-29T00:00:00Z",
            "2025-03-03T13:03:29",
            "2025-03-03",
            "2025-03-03T13:03:60Z",
            "2025-03-03T13:03:29+01:60",
            {},
            [],
        ]
        for value in wrong:
            with self.assertRaises(rule.Rejected, msg=repr(value)):
                rule.parse_timestamp(value)

    def test_numeric_validity_is_strict(self) -> None:
        raw = (
            b'{"a":1e5,"b":-0,"c":1.50,"d":"007.10","e":"1e3","f":"+1","g":".5","h":"5.","i":" 1",'
            b'"j":true,"k":null,"l":[1],"m":"1\\n","n":1e-7,"o":"\xd9\xa1"}'
        )
        (properties,) = rule.parse_record(raw, Limits())
        valid = {name: rule.numeric_value(properties, name) for name in "abcdefghijklmnop"}
        self.assertEqual(
            {name: format(value, "f") for name, value in valid.items() if value is not None},
            {"a": "100000", "b": "0", "c": "1.50", "d": "7.10", "n": "0.0000001"},
        )

    def test_sums_are_exact_whatever_the_order(self) -> None:
        values = ["0.1", "0.2", "-0.3", "100000000000000000000.000000000000000001", 0.7]
        for order in itertools.permutations(enumerate(values)):
            judge = judged(*((P0, at, 1, event(str(at), value)) for at, value in order))
            self.assertEqual(gb_of(judge), ("100000000000000000000.700000000000000001", 5))

    def test_months_hold_their_first_and_last_microsecond(self) -> None:
        edges = [
            "2025-10-31T23:59:59.999999Z",
            "2025-11-01T00:00:00Z",
            "2025-11-30T23:59:59.9999999Z",
            "2025-12-01T00:00:00Z",
        ]
        judge = judged(
            *((P0, at, 1, event(str(at), 10**at, timestamp=edge)) for at, edge in enumerate(edges))
        )
        self.assertEqual(gb_of(judge), ("110.0", 2))
        self.assertIsNone(rule.month_of(2**63 - 1))

    def test_amounts_round_half_away_and_never_below_zero(self) -> None:
        metric = WORKLOAD.metrics["gb"]
        self.assertEqual(rule.priced(metric, rule.Total(Decimal("0.02"), 1)), ("0.02", 1, 1))
        self.assertEqual(
            rule.priced(metric, rule.Total(Decimal("0.0199999"), 1)), ("0.0199999", 1, 0)
        )
        self.assertEqual(rule.priced(metric, rule.Total(Decimal("-3"), 2)), ("0.0", 2, 0))
        self.assertEqual(rule.priced(metric, None), ("0.0", 0, 0))

    def test_decimal_text(self) -> None:
        for value, text in [
            ("0", "0.0"),
            ("-0.00", "0.0"),
            ("14", "14.0"),
            ("1234.50", "1234.5"),
            ("1E+3", "1000.0"),
            ("-0.5", "-0.5"),
        ]:
            self.assertEqual(rule.decimal_text(Decimal(value)), text)


class Offsets(unittest.TestCase):
    def test_header_form(self) -> None:
        text = "events_raw-0:1042,events-with-dash-1:977"
        self.assertEqual(
            parse_offsets(text), {("events_raw", 0): 1042, ("events-with-dash", 1): 977}
        )
        for wrong in ["", "events:1", "events-0", "events-x:1", "events-0:-1"]:
            with self.assertRaises(ValueError, msg=wrong):
                parse_offsets(wrong)


if __name__ == "__main__":
    unittest.main()
