"""The types that Lago's Go client decodes into, and the rules of its decoder.

`encoding/json` takes null for anything and leaves the field as it is; an absent member too. Numbers
have to fit: an `int` takes neither `1.0` nor `"1"`. A text never becomes a number. `time.Time` and
`uuid.UUID` parse texts, and fail on the empty one. A type here is a function that checks a value, a
list with the type of its elements, a dict with the types of its members (the star stands for
all members), or a tuple: a type whose member has to be present and not null, because callers
read it.
"""

import re
import uuid

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def integer(value):
    return type(value) is int


def number(value):
    return type(value) in (int, float)


def text(value):
    return type(value) is str


def boolean(value):
    return type(value) is bool


def instant(value):
    return text(value) and RFC_3339.fullmatch(value) is not None


def identifier(value):
    return text(value) and len(value) == 36 and str(uuid.UUID(value)) == value.lower()


def anything(_):
    return True


def decode(kind, value, path):
    """The value, if the client can take it; the path names the member that it cannot."""
    if isinstance(kind, tuple):
        assert value is not None, f"{path} is missing or null"
        kind = kind[0]
    if value is None:
        return value
    if isinstance(kind, list):
        assert type(value) is list, f"{path} is no array: {value!r}"
        for at, element in enumerate(value):
            decode(kind[0], element, f"{path}[{at}]")
    elif isinstance(kind, dict):
        assert type(value) is dict, f"{path} is no object: {value!r}"
        for name in value if "*" in kind else kind:
            decode(kind.get(name, kind.get("*")), value.get(name), f"{path}.{name}")
    elif kind is details:
        details(value, path)
    else:
        assert kind(value), f"{path}: {value!r} is no {kind.__name__}"
    return value


def details(value, path):
    """`{"field": ["code"]}`, or the same by the index of a batch: the client knows these two."""
    shapes = [{"*": [text]}, {"*": {"*": [text]}}]
    for shape in shapes:
        try:
            return decode(shape, value, path)
        except AssertionError:
            continue
    raise AssertionError(f"{path} has neither shape: {value!r}")


ERROR = {"status": (integer,), "error": (text,), "code": text, "error_details": details}
META = {
    "current_page": (integer,),
    "next_page": integer,
    "prev_page": integer,
    "total_pages": (integer,),
    "total_count": (integer,),
}

METRIC = {
    "lago_id": (identifier,),
    "name": (text,),
    "code": (text,),
    "description": text,
    "recurring": boolean,
    "rounding_function": text,
    "rounding_precision": integer,
    "aggregation_type": (text,),
    "weighted_interval": text,
    "expression": text,
    "field_name": text,
    "created_at": (instant,),
    "filters": ([{"key": (text,), "values": ([text],)}],),
}
TAX = {
    "lago_id": (identifier,),
    "name": (text,),
    "code": (text,),
    "rate": (number,),
    "description": text,
    "applied_to_organization": boolean,
    "created_at": (instant,),
}
FILTER = {"invoice_display_name": text, "properties": {"*": anything}, "values": {"*": [text]}}
CHARGE = {
    "lago_id": (identifier,),
    "lago_billable_metric_id": (identifier,),
    "billable_metric_code": text,
    "code": text,
    "charge_model": (text,),
    "created_at": (instant,),
    "pay_in_advance": boolean,
    "invoiceable": boolean,
    "invoice_display_name": text,
    "regroup_paid_fees": text,
    "prorated": boolean,
    "min_amount_cents": integer,
    "properties": ({"*": anything},),
    "filters": [FILTER],
    "taxes": [TAX],
}
PLAN = {
    "lago_id": (identifier,),
    "name": (text,),
    "invoice_display_name": text,
    "code": (text,),
    "interval": (text,),
    "description": text,
    "amount_cents": (integer,),
    "amount_currency": (text,),
    "trial_period": number,
    "pay_in_advance": boolean,
    "bill_charges_monthly": boolean,
    "active_subscriptions_count": integer,
    "draft_invoices_count": integer,
    "charges": ([CHARGE],),
    "taxes": [TAX],
    "created_at": (instant,),
}
CUSTOMER = {
    "lago_id": (identifier,),
    "external_id": (text,),
    "sequential_id": integer,
    "slug": text,
    "name": text,
    "currency": text,
    "timezone": text,
    "applicable_timezone": (text,),
    "net_payment_term": integer,
    "finalize_zero_amount_invoice": text,
    "billing_configuration": {"*": anything},
    "metadata": [{"lago_id": identifier, "key": text, "value": text}],
    "created_at": (instant,),
    "updated_at": (instant,),
}
SUBSCRIPTION = {
    "lago_id": (identifier,),
    "external_id": (text,),
    "lago_customer_id": (identifier,),
    "external_customer_id": (text,),
    "plan_code": (text,),
    "plan_amount_cents": integer,
    "plan_amount_currency": text,
    "name": text,
    "status": (text,),
    "billing_time": (text,),
    "subscription_at": (instant,),
    "started_at": instant,
    "created_at": (instant,),
    "canceled_at": instant,
    "terminated_at": instant,
    "ending_at": instant,
    "trial_ended_at": instant,
    "previous_plan_code": text,
    "next_plan_code": text,
    "downgrade_plan_date": text,
    "current_billing_period_started_at": instant,
    "current_billing_period_ending_at": instant,
    "plan": PLAN,
}
EVENT = {
    "lago_id": (text,),
    "transaction_id": (text,),
    "lago_customer_id": identifier,
    "lago_subscription_id": identifier,
    "external_subscription_id": (text,),
    "code": (text,),
    "timestamp": (instant,),
    "precise_total_amount_cents": text,
    "properties": {"*": anything},
    "created_at": (instant,),
}
FEE = {
    "lago_charge_id": identifier,
    "lago_subscription_id": identifier,
    "external_subscription_id": text,
    "amount_cents": (integer,),
    "amount_currency": (text,),
    "taxes_amount_cents": (integer,),
    "taxes_rate": number,
    "total_amount_cents": (integer,),
    "units": (text,),
    "precise_amount": text,
    "precise_unit_amount": text,
    "events_count": (integer,),
    "event_transaction_id": text,
    "item": ({"type": (text,), "code": (text,), "name": (text,), "lago_item_id": identifier},),
    "applied_taxes": [{"tax_rate": (number,), "amount_cents": (integer,)}],
}

LIFETIME = {
    "lago_id": (identifier,),
    "lago_subscription_id": (identifier,),
    "external_subscription_id": (text,),
    "external_historical_usage_amount_cents": (integer,),
    "invoiced_usage_amount_cents": (integer,),
    "current_usage_amount_cents": (integer,),
    "from_datetime": (instant,),
    "to_datetime": (instant,),
    "usage_thresholds": [
        {"amount_cents": (integer,), "completion_ratio": (number,), "reached_at": instant}
    ],
}


def usage(projected):
    """The figures of a row, and the members that a row has beside them."""
    figures = {"units": (text,), "events_count": (integer,), "amount_cents": (integer,)}
    if projected:
        figures |= {"projected_units": (text,), "projected_amount_cents": (integer,)}
    else:
        figures |= {"total_aggregated_units": (text,)}
    row = figures | {"invoice_display_name": text, "values": {"*": [text]}}
    group = figures | {"grouped_by": ({"*": text},), "filters": ([row],)}
    metric = {"lago_id": (identifier,), "name": (text,), "code": (text,)}
    charge = figures | {
        "amount_currency": (text,),
        "charge": ({"lago_id": (identifier,), "charge_model": (text,), "code": text},),
        "billable_metric": (metric | {"aggregation_type": (text,)},),
        "filters": ([row],),
        "grouped_usage": ([group],),
    }
    return {
        "from_datetime": (instant,),
        "to_datetime": (instant,),
        "issuing_date": (text,),
        "lago_invoice_id": identifier,
        "currency": (text,),
        "amount_cents": (integer,),
        "taxes_amount_cents": (integer,),
        "total_amount_cents": (integer,),
        "charges_usage": ([charge],),
    } | ({"projected_amount_cents": (integer,)} if projected else {})


USAGE = usage(projected=False)
PROJECTED = usage(projected=True)
