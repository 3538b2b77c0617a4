"""The rule by which usage records become totals, written down a second time.

This is the oracle of the kill rig. It shares no code with the service and is kept plain: JSON by
the standard library, exact decimals, one dictionary per subscription. Records are fed partition by
partition in the order of their offsets; the result does not depend on how the partitions are
interleaved.

Not judged, because the generator never sends it: numbers with more digits than the service's
limits, years before 1 in RFC 3339, expressions, filters and groups.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, Inexact, localcontext
from pathlib import Path
from typing import Any, NamedTuple

MICROS = 1_000_000
DAY_MICROS = 86_400 * MICROS
INSTANT_MIN, INSTANT_MAX = -(2**63), 2**63 - 1
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
IDENTIFIER_BYTES_MAX = 8 * 1024

# Wide enough for any sum of what records can hold; should it ever not be, adding fails loudly.
EXACT = Context(prec=5_000, traps=[Inexact])


class Number(str):
    """A JSON number as it was written, so that no digit is lost and it differs from a text."""

    __slots__ = ()


class Rejected(Exception):
    """A record or an event is not accepted; the message is the reason's short name."""


def _no_constant(_: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_constant)


# ---- reading one record --------------------------------------------------------------------------


def parse_record(payload: bytes | None, limits: Limits) -> list[Any]:
    """The items of a record: one, or those of its list. Raises Rejected for the whole record."""
    if payload is None:
        raise Rejected("tombstone")
    if len(payload) > limits.record_bytes_max:
        raise Rejected("too_large")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected("not_utf8") from None
    if (
        payload.count(b"{") + payload.count(b"[") > limits.depth_max
        and _depth(text) > limits.depth_max
    ):
        raise Rejected("too_deep")
    try:
        value = _DECODER.decode(text)
        if "\\u" in text:
            _refuse_half_pairs(value)
    except ValueError:
        raise Rejected("not_json") from None
    if isinstance(value, list):
        if len(value) > limits.events_per_record_max:
            raise Rejected("too_many_events")
        return value
    if not isinstance(value, dict):
        raise Rejected("not_an_object")
    return [value]


def _depth(text: str) -> int:
    """Deepest nesting of brackets outside of texts."""
    depth = deepest = 0
    for piece in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text, re.DOTALL):
        first = piece.group()[0]
        if first in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in "]}":
            depth -= 1
    return deepest


def _refuse_half_pairs(value: Any) -> None:
    # Half a surrogate pair cannot be encoded: UnicodeEncodeError is a ValueError.
    json.dumps(value, ensure_ascii=False).encode("utf-8")


class Event(NamedTuple):
    """What an item of a record says, once it is accepted."""

    organization: str
    subscription: str | None
    transaction: str
    code: str
    micros: int
    properties: dict[str, Any]


def parse_event(item: Any) -> Event:
    """An accepted event, or Rejected."""
    if type(item) is not dict:
        raise Rejected("not_an_object")
    organization = _mandatory(item.get("organization_id"))
    transaction = _mandatory(item.get("transaction_id"))
    code = _mandatory(item.get("code"))
    subscription = _identifier(item.get("external_subscription_id"))
    micros = parse_timestamp(item.get("timestamp"))
    properties = item.get("properties")
    if type(properties) is not dict:
        properties = {}
    elif _holds_nul(properties):
        raise Rejected("invalid_format")
    return Event(organization, subscription, transaction, code, micros, properties)


def _identifier(value: Any) -> str | None:
    if value is None:
        return None
    text = scalar_text(value)
    if text is None or "\0" in text:
        raise Rejected("invalid_format")
    # Four bytes a character at most: short texts need not be measured.
    if len(text) * 4 > IDENTIFIER_BYTES_MAX and len(text.encode()) > IDENTIFIER_BYTES_MAX:
        raise Rejected("value_is_out_of_range")
    return text


def _mandatory(value: Any) -> str:
    text = _identifier(value)
    if text is None or not text.strip():
        raise Rejected("value_is_mandatory")
    return text


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def scalar_text(value: Any) -> str | None:
    """The text form of a scalar; None for null, lists and objects."""
    if type(value) is str:
        return value
    if type(value) is Number:
        return canonical(value)
    if value is True:
        return "true"
    return "false" if value is False else None


def canonical(number: str) -> str:
    """A JSON number without exponent and without a negative zero, all its decimals kept."""
    text = format(EXACT.create_decimal(number), "f") if "e" in number or "E" in number else number
    return text[1:] if text[0] == "-" and not text.strip("-0.") else str(text)


_PLAIN_SECONDS = re.compile(r"([0-9]{1,12})(?:\.([0-9]+))?", re.ASCII)
_SECONDS = re.compile(
    r"[ \t\n\f\r]*([+-]?(?=\.?[0-9])(?:[0-9]+(?:_[0-9]+)*)?(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?)"
    r"(?:[eE]([+-]?[0-9]+))?[ \t\n\f\r]*",
    re.ASCII,
)
_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))",
    re.ASCII,
)


def parse_timestamp(value: Any) -> int:
    """Microseconds since the epoch, cut toward the past. Raises Rejected."""
    if type(value) is not str and type(value) is not Number:
        raise Rejected("invalid_format")
    plain = _PLAIN_SECONDS.fullmatch(value)
    if plain:
        whole, fraction = plain.groups()
        return int(whole) * MICROS + (int(fraction[:6].ljust(6, "0")) if fraction else 0)
    if type(value) is str and value[4:5] == "-" and value[7:8] == "-":
        return _parse_date(value)
    match = _SECONDS.fullmatch(value)
    if not match:
        raise Rejected("invalid_format")
    mantissa, exponent = match.groups()
    micros = _scaled(Decimal(mantissa.replace("_", "")), int(exponent or 0) + 6)
    if micros is None or not INSTANT_MIN <= micros <= INSTANT_MAX:
        raise Rejected("invalid_format")
    return micros


def _scaled(value: Decimal, exponent: int) -> int | None:
    """The whole part of value × 10^exponent, rounded down; None if it is beyond any instant."""
    if not value:
        return 0
    size = value.adjusted() + exponent
    if size > 20:
        return None
    if size < -1:
        return -1 if value < 0 else 0
    with localcontext(EXACT) as context:
        context.traps[Inexact] = False
        return int(value.scaleb(exponent).to_integral_value(ROUND_FLOOR))


def _parse_date(text: str) -> int:
    match = _DATE.fullmatch(text)
    if not match:
        raise Rejected("invalid_format")
    *parts, fraction, sign, hours, minutes = match.groups()
    try:
        moment = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[arg-type]
    except ValueError:
        raise Rejected("invalid_format") from None
    shift = 0
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            raise Rejected("invalid_format")
        shift = (int(hours) * 60 + int(minutes)) * (-60 if sign == "-" else 60)
    seconds = (moment.toordinal() - EPOCH_ORDINAL) * 86_400
    seconds += moment.hour * 3_600 + moment.minute * 60 + moment.second - shift
    return seconds * MICROS + int((fraction or "")[:6].ljust(6, "0"))


_NUMERIC = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)


def numeric_value(properties: dict[str, Any], name: str) -> Decimal | None:
    """The value a sum adds, or None: such an event is invisible to the sum."""
    text = scalar_text(properties.get(name))
    if text is None or not _NUMERIC.fullmatch(text):
        return None
    return EXACT.create_decimal(text)


# ---- what is measured ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """A metric with its standard price per unit."""

    aggregation: str
    field: str | None
    price: Decimal


@dataclass(frozen=True)
class Limits:
    """What the service is set to accept."""

    record_bytes_max: int = 4 * 1024 * 1024
    depth_max: int = 64
    events_per_record_max: int = 10_000


@dataclass(frozen=True)
class Workload:
    """The part of a catalogue that the rig knows about; see workload.json."""

    organizations: dict[str, str]
    metrics: dict[str, Metric]
    subscription: str = "sub-{n}"
    customer: str = "customer-{n}"
    limits: Limits = field(default_factory=Limits)

    @staticmethod
    def load(path: str | Path) -> Workload:
        """Reads a file of the form of workload.json."""
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
        return Workload(
            organizations={item["id"]: item["api_key"] for item in raw["organizations"]},
            metrics={
                code: Metric(item["aggregation"], item["field"], Decimal(item["price"]))
                for code, item in raw["metrics"].items()
            },
            subscription=raw["subscription"],
            customer=raw["customer"],
            limits=Limits(**raw["limits"]),
        )


_MONTHS: dict[int, str | None] = {}


def month_of(micros: int) -> str | None:
    """The calendar month in UTC, such as "2026-11"; None beyond the calendar."""
    day = micros // DAY_MICROS
    if day not in _MONTHS:
        try:
            _MONTHS[day] = date.fromordinal(day + EPOCH_ORDINAL).strftime("%Y-%m")
        except (ValueError, OverflowError):
            _MONTHS[day] = None
    return _MONTHS[day]


@dataclass(slots=True)
class Total:
    """A running total: units in exact decimals, and the events in them."""

    units: Decimal = Decimal(0)
    events_count: int = 0


class Entry(NamedTuple):
    """The copy of a transaction that counts: its position, and what it adds to which total."""

    position: tuple[int, int, int, int]
    total: Total | None
    units: Decimal | None


ONE = Decimal(1)


class Judge:
    """Totals of all records fed so far.

    A position is (log time, source, offset, index): log time is the greatest record timestamp seen
    in the partition so far, a source is numbered by (topic, partition). The smallest position of a
    (organisation, subscription id, transaction id) counts.
    """

    def __init__(self, workload: Workload, sources: list[tuple[str, int]]) -> None:
        self.workload = workload
        self.rank = {source: rank for rank, source in enumerate(sorted(sources))}
        self.log_times = [0] * len(self.rank)
        self.accounts: dict[tuple[str, str], dict[str, Entry]] = {}
        self.totals: dict[tuple[str, str, str, str], Total] = {}
        self.records = self.accepted = self.duplicate = self.replaced = self.set_aside = 0
        self.rejected: dict[str, int] = {}

    def feed(
        self, source: tuple[str, int], offset: int, timestamp_ms: int | None, payload: bytes | None
    ) -> None:
        """Takes one record; those of a source come in the order of their offsets."""
        self.records += 1
        rank = self.rank[source]
        log_time = self.log_times[rank]
        if timestamp_ms is not None and timestamp_ms > log_time:
            log_time = self.log_times[rank] = timestamp_ms
        try:
            items = parse_record(payload, self.workload.limits)
        except Rejected as reason:
            self._reject(reason)
            return
        for index, item in enumerate(items):
            try:
                event = parse_event(item)
            except Rejected as reason:
                self._reject(reason)
                continue
            self._take(event, (log_time, rank, offset, index))

    def _reject(self, reason: Rejected) -> None:
        name = str(reason)
        self.rejected[name] = self.rejected.get(name, 0) + 1

    def _take(self, event: Event, position: tuple[int, int, int, int]) -> None:
        if event.organization not in self.workload.organizations:
            self.set_aside += 1
            return
        if event.subscription is None:
            self.accepted += 1
            return
        key = (event.organization, event.subscription)
        account = self.accounts.get(key)
        if account is None:
            account = self.accounts[key] = {}
        known = account.get(event.transaction)
        if known is None:
            self.accepted += 1
        else:
            self.duplicate += 1
            if known.position < position:
                return
            self.replaced += 1
            if known.total is not None and known.units is not None:
                known.total.units = EXACT.subtract(known.total.units, known.units)
                known.total.events_count -= 1
        total, units = self._contribution(event, event.subscription)
        account[event.transaction] = Entry(position, total, units)
        if total is not None and units is not None:
            total.units = EXACT.add(total.units, units)
            total.events_count += 1

    def _contribution(self, event: Event, subscription: str) -> tuple[Total | None, Decimal | None]:
        metric = self.workload.metrics.get(event.code)
        month = month_of(event.micros)
        if metric is None or month is None:
            return None, None
        units: Decimal | None = ONE
        if metric.aggregation == "sum_agg":
            units = numeric_value(event.properties, metric.field or "")
            if units is None:
                return None, None
        key = (event.organization, subscription, event.code, month)
        total = self.totals.get(key)
        if total is None:
            total = self.totals[key] = Total()
        return total, units

    def counters(self) -> dict[str, Any]:
        """Counts that do not depend on the order of reading, save `replaced`.

        `accepted` counts distinct transactions and the events without a subscription id,
        `duplicate` every further copy, whether it lost or took over.
        """
        return {
            "records": self.records,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "replaced": self.replaced,
            "set_aside": self.set_aside,
            "rejected": dict(sorted(self.rejected.items())),
            "rejected_total": sum(self.rejected.values()),
        }

    def report(self, month: str) -> dict[str, Any]:
        """All totals of one month by organisation, subscription and metric, and the counters."""
        totals: dict[str, Any] = {}
        for (organization, subscription, code, at), total in sorted(
            self.totals.items(), key=lambda item: item[0]
        ):
            if at == month and total.events_count:
                subscriptions = totals.setdefault(organization, {})
                subscriptions.setdefault(subscription, {})[code] = {
                    "units": decimal_text(total.units),
                    "events_count": total.events_count,
                }
        return {"month": month, "totals": totals, "counters": self.counters()}


def decimal_text(value: Decimal) -> str:
    """Positional notation with at least one decimal and no further trailing zeros."""
    text = format(value, "f")
    whole, _, fraction = text.partition(".")
    if not whole.strip("-0") and not fraction.strip("0"):
        return "0.0"
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def priced(metric: Metric, total: Total | None) -> tuple[str, int, int]:
    """Units, events and cents of a standard charge; below zero only the count is shown."""
    if total is None:
        return "0.0", 0, 0
    units = max(total.units, Decimal(0))
    cents = EXACT.multiply(EXACT.multiply(units, metric.price), Decimal(100))
    return (
        decimal_text(units),
        total.events_count,
        int(cents.quantize(ONE, ROUND_HALF_UP, Context(prec=5_000))),
    )
