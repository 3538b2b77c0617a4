"""A tenant's whole story with Lago's official Python client, which is not changed in any way.

    dev/python tests/sdk/python/story.py story http://127.0.0.1:8080 sdk-key sdk-reader-key
    dev/python tests/sdk/python/story.py retry http://127.0.0.1:8080 sdk-key

`story` creates what is sold, sends events, reads every kind of usage, pages through lists and meets
each documented error. `retry` is for a service that has no place left for requests, and finds one
after a while: the client comes back by itself. The first failure ends the script with status 1.
"""

import sys
import uuid
import warnings
from datetime import datetime, timedelta, timezone

from lago_python_client import Client
from lago_python_client.exceptions import LagoApiError, LagoRateLimitError
from lago_python_client.models import (
    BatchEvent,
    BillableMetric,
    BillableMetricFilter,
    BillableMetricFilters,
    Charge,
    ChargeFilter,
    ChargeFilters,
    Charges,
    Customer,
    Event,
    Plan,
    Subscription,
    Tax,
)
from lago_python_client.models.organization import Organization

# Deprecated arguments have to work as well.
warnings.simplefilter("ignore", DeprecationWarning)

CUSTOMER = "acme.inc:eu|1"
SUBSCRIPTION = "sub.1@acme"


def same(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


def refused(status, code, call, details=None):
    """The call fails with this status and code, and the body says so in Lago's form."""
    try:
        answer = call()
    except LagoApiError as error:
        body = error.response
        same((error.status_code, body["status"], body.get("code")), (status, status, code))
        same(body.get("error_details"), details)
        assert isinstance(body["error"], str) and body["error"], body
        return
    raise AssertionError(f"expected {status} {code}, got {answer!r}")


def set_up(client):
    """Taxes, metrics, plans, a customer and subscriptions."""
    organization = client.organizations.update(Organization(default_currency="EUR"))
    same(organization.name, "SDK")
    tax = client.taxes.create(
        Tax(name="VAT", code="vat_20", rate=19.6, applied_to_organization=True)
    )
    same((tax.code, tax.rate), ("vat_20", 19.6))
    uuid.UUID(tax.lago_id)
    same(client.taxes.update(Tax(rate=20.0), "vat_20").rate, 20.0)
    same(client.taxes.find("vat_20").lago_id, tax.lago_id)

    metrics = {}
    regions = BillableMetricFilter(key="region", values=["us", "eu"])
    for metric in [
        BillableMetric(
            name="Calls",
            code="calls",
            aggregation_type="count_agg",
            filters=BillableMetricFilters(__root__=[regions]),
        ),
        BillableMetric(name="Storage", code="gb", aggregation_type="sum_agg", field_name="gb"),
        BillableMetric(name="Tokens", code="tokens", aggregation_type="sum_agg", field_name="n"),
        BillableMetric(name="Jobs", code="jobs", aggregation_type="count_agg"),
    ]:
        made = client.billable_metrics.create(metric)
        same((made.name, made.aggregation_type), (metric.name, metric.aggregation_type))
        metrics[made.code] = made.lago_id
    found = client.billable_metrics.find("calls")
    same(found.filters.__root__[0].dict(), {"key": "region", "values": ["eu", "us"]})
    same(client.billable_metrics.update(BillableMetric(name="Storage, GB"), "gb").code, "gb")

    def charge(metric, properties, **more):
        return Charge(
            billable_metric_id=metrics[metric],
            charge_model=more.pop("charge_model", "standard"),
            properties=properties,
            **more,
        )

    ranges = [
        {"from_value": 0, "to_value": 10, "per_unit_amount": "0.5", "flat_amount": "0"},
        {"from_value": 11, "to_value": None, "per_unit_amount": "0.25", "flat_amount": "1"},
    ]
    europe = ChargeFilter(
        invoice_display_name="Europe",
        values={"region": ["eu"]},
        properties={"amount": "0.30"},
    )
    plan = client.plans.create(
        Plan(
            name="Pro",
            code="pro",
            interval="monthly",
            amount_cents=1000,
            amount_currency="EUR",
            pay_in_advance=False,
            charges=Charges(
                __root__=[
                    charge(
                        "calls",
                        {"amount": "0.50"},
                        filters=ChargeFilters(__root__=[europe]),
                    ),
                    charge("gb", {"graduated_ranges": ranges}, charge_model="graduated"),
                    charge("tokens", {"amount": "0.001", "pricing_group_keys": ["model"]}),
                ]
            ),
        )
    )
    same((plan.code, plan.amount_cents, len(plan.charges.__root__)), ("pro", 1000, 3))
    same(plan.charges.__root__[0].lago_billable_metric_id, metrics["calls"])
    jobs = client.plan_charges.create(
        "pro", charge("jobs", {"amount": "0.20"}, code="per_job", pay_in_advance=True)
    )
    same((jobs.code, jobs.properties["amount"]), ("per_job", "0.20"))
    changed = Charge(charge_model="standard", properties={"amount": "0.25"})
    same(client.plan_charges.update("pro", "per_job", changed).pay_in_advance, True)
    same(client.plan_charges.find("pro", "per_job").properties["amount"], "0.25")
    america = client.plans.create_charge_filter(
        "pro", "calls", ChargeFilter(values={"region": ["us"]}, properties={"amount": "9"})
    )
    changed = ChargeFilter(properties={"amount": "0.50"})
    client.plans.update_charge_filter("pro", "calls", america.lago_id, changed)
    filters = client.plans.find_all_charge_filters("pro", "calls")
    same(filters["meta"]["total_count"], 2)
    same(client.plans.find_charge_filter("pro", "calls", america.lago_id).properties["amount"],
         "0.50")
    client.plans.destroy_charge_filter("pro", "calls", america.lago_id)
    same(client.plans.find_all_charge_filters("pro", "calls")["meta"]["total_count"], 1)
    same(client.plans.update(Plan(name="Professional", code="pro"), "pro").name, "Professional")

    customer = client.customers.create(Customer(external_id=CUSTOMER, name="Acme", currency="EUR"))
    same((customer.external_id, customer.applicable_timezone), (CUSTOMER, "UTC"))
    same(client.customers.create(Customer(external_id=CUSTOMER, name="Acme Inc")).lago_id,
         customer.lago_id)
    same(client.customers.find(CUSTOMER).name, "Acme Inc")
    start = (datetime.now(timezone.utc) - timedelta(days=40)).strftime("%Y-%m-%dT00:00:00Z")
    for external_id in [SUBSCRIPTION, "wide"]:
        made = client.subscriptions.create(
            Subscription(
                external_customer_id=CUSTOMER,
                plan_code="pro",
                external_id=external_id,
                billing_time="anniversary",
                subscription_at=start,
            )
        )
        same((made.external_id, made.status, made.plan_code), (external_id, "active", "pro"))
    found = client.subscriptions.find(SUBSCRIPTION)
    same((found.subscription_at, found.plan_amount_cents), (start, "1000"))
    named = client.subscriptions.update(Subscription(name="Main"), SUBSCRIPTION)
    same(named.name, "Main")
    return metrics


def event(transaction, code, properties=None, **more):
    subscription = more.pop("subscription", SUBSCRIPTION)
    return Event(
        transaction_id=transaction,
        external_subscription_id=subscription,
        code=code,
        properties=properties,
        **more,
    )


def send_events(client):
    """One by one with every form of timestamp, then in batches."""
    # In the past, fractions included: the story may be over within the second.
    now = int(datetime.now(timezone.utc).timestamp()) - 1
    first = client.events.create(event("t1", "calls", {"region": "eu"}))
    same((first.transaction_id, first.external_subscription_id), ("t1", SUBSCRIPTION))
    sent = event("t2", "gb", {"gb": 12.5}, timestamp=str(now), precise_total_amount_cents="1.5")
    stored = client.events.create(sent)
    same((stored.properties, stored.precise_total_amount_cents), ({"gb": 12.5}, "1.5"))
    at = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.250Z")
    same(client.events.create(event("t3", "calls", timestamp=f"{now}.25")).timestamp, at)
    batch = [
        event("t4", "calls", {"region": "eu"}, timestamp=now),
        event("t5", "calls", {"region": "us"}),
        event("t6", "tokens", {"n": "1000", "model": "a"}),
        event("t7", "tokens", {"n": 500, "model": "a"}),
        event("t8", "tokens", {"n": "250.5", "model": "b"}),
        event("t9", "jobs"),
    ]
    same(client.events.batch_create(BatchEvent(events=batch)), None)
    wide = [
        event(f"w{i}", "tokens", {"n": 1, "model": f"m{i}"}, subscription="wide") for i in range(5)
    ]
    client.events.batch_create(BatchEvent(events=wide))
    found = client.events.find("t3")
    same((found.timestamp, found.code), (at, "calls"))


def read_usage(client, metrics):
    """Current and projected usage, and the estimate of an event."""
    usage = client.customers.current_usage(CUSTOMER, SUBSCRIPTION)
    same((usage.currency, usage.lago_invoice_id), ("EUR", None))
    same((usage.amount_cents, usage.taxes_amount_cents, usage.total_amount_cents),
         (1023, 205, 1228))
    rows = {row.billable_metric.code: row for row in usage.charges_usage}
    same([row.billable_metric.name for row in usage.charges_usage],
         ["Calls", "Jobs", "Storage, GB", "Tokens"])
    figures = {code: (row.units, row.events_count, row.amount_cents) for code, row in rows.items()}
    same(figures, {
        "calls": ("4.0", 4, 160),
        "jobs": ("1.0", 1, 25),
        "gb": ("12.5", 1, 663),
        "tokens": ("1750.5", 3, 175),
    })
    same(rows["calls"].billable_metric.lago_id, metrics["calls"])
    filters = [(row.values, row.units, row.amount_cents) for row in rows["calls"].filters]
    same(filters, [({"region": ["eu"]}, "2.0", 60), (None, "2.0", 100)])
    groups = [(row.grouped_by, row.units, row.amount_cents) for row in rows["tokens"].grouped_usage]
    same(sorted(groups, key=str), [({"model": "a"}, "1500.0", 150), ({"model": "b"}, "250.5", 25)])

    plain = client.customers.current_usage(CUSTOMER, SUBSCRIPTION, apply_taxes="false")
    same((plain.taxes_amount_cents, plain.total_amount_cents), (0, 1023))
    # A boolean travels as `False`, which upstream takes for true.
    taxed = client.customers.current_usage(CUSTOMER, SUBSCRIPTION, apply_taxes=False)
    same(taxed.total_amount_cents, 1228)
    one = client.customers.current_usage(CUSTOMER, SUBSCRIPTION, charge_code="per_job")
    same([row.amount_cents for row in one.charges_usage], [25])
    one = client.customers.current_usage(CUSTOMER, SUBSCRIPTION, billable_metric_code="tokens",
                                         group={"model": "a"})
    same([row.units for row in one.charges_usage], ["1500.0"])
    one = client.customers.current_usage(CUSTOMER, SUBSCRIPTION, filter_by_group={"model": "b"})
    same([row.units for row in one.charges_usage if row.billable_metric.code == "tokens"],
         ["250.5"])

    before = datetime.now(timezone.utc).date()
    projected = client.customers.projected_usage(CUSTOMER, SUBSCRIPTION)
    after = datetime.now(timezone.utc).date()
    same((projected.amount_cents, projected.total_amount_cents), (1023, 1228))
    row = next(row for row in projected.charges_usage if row.billable_metric.code == "jobs")
    first = datetime.fromisoformat(projected.from_datetime.replace("Z", "+00:00")).date()
    last = datetime.fromisoformat(projected.to_datetime.replace("Z", "+00:00")).date()
    length = (last - first).days + 1
    units = [f"{round(length / ((day - first).days + 1), 2)}" for day in (before, after)]
    assert row.projected_units in units, (row.projected_units, units)
    calls = next(row for row in projected.charges_usage if row.billable_metric.code == "calls")
    same([row.values for row in calls.filters], [{"region": ["eu"]}, {}])

    lifetime = client.subscriptions.lifetime_usage(SUBSCRIPTION)
    same((lifetime.external_subscription_id, lifetime.external_historical_usage_amount_cents,
          lifetime.invoiced_usage_amount_cents, lifetime.current_usage_amount_cents),
         (SUBSCRIPTION, 0, 0, 1023))
    lifetime = client.subscriptions.update_lifetime_usage(SUBSCRIPTION, 500)
    same(lifetime.external_historical_usage_amount_cents, 500)
    same(client.subscriptions.lifetime_usage(SUBSCRIPTION).current_usage_amount_cents, 1023)

    estimate = client.events.estimate_fees(event("any", "jobs"))["fees"]
    same([(fee.amount_cents, fee.taxes_amount_cents, fee.units) for fee in estimate],
         [(25, 5, "1.0")])
    same(estimate[0].item.code, "jobs")
    same(client.customers.current_usage(CUSTOMER, SUBSCRIPTION).amount_cents, 1023)


def page_through(client):
    """Lists, page by page."""
    codes = []
    page = 1
    while page is not None:
        answer = client.billable_metrics.find_all({"page": page, "per_page": 3})
        same((answer["meta"]["current_page"], answer["meta"]["total_pages"]), (page, 2))
        same(answer["meta"]["total_count"], 4)
        codes += [metric.code for metric in answer["billable_metrics"]]
        page = answer["meta"]["next_page"]
    same(sorted(codes), ["calls", "gb", "jobs", "tokens"])
    same([plan.code for plan in client.plans.find_all()["plans"]], ["pro"])
    same([tax.code for tax in client.taxes.find_all()["taxes"]], ["vat_20"])
    same([c.external_id for c in client.customers.find_all()["customers"]], [CUSTOMER])
    active = client.subscriptions.find_all({"external_customer_id": CUSTOMER})
    same(sorted(row.external_id for row in active["subscriptions"]), [SUBSCRIPTION, "wide"])
    ended = client.subscriptions.find_all({"status[]": ["terminated", "canceled"]})
    same((ended["subscriptions"], ended["meta"]["total_count"]), ([], 0))


def meet_errors(client, stranger, reader):
    """Each documented error."""
    usage = client.customers.current_usage
    refused(401, None, lambda: stranger.customers.current_usage(CUSTOMER, SUBSCRIPTION))
    # This call of the client sends no key at all.
    refused(401, None, lambda: client.plan_charges.find_all("pro"))
    same(reader.customers.current_usage(CUSTOMER, SUBSCRIPTION).amount_cents, 1023)
    refused(403, "write_action_not_allowed_for_event",
            lambda: reader.events.create(event("t0", "jobs")))
    refused(404, "customer_not_found", lambda: usage("nobody", SUBSCRIPTION))
    refused(404, "customer_not_found", lambda: client.customers.find("nobody"))
    refused(404, "subscription_not_found", lambda: client.subscriptions.find("none"))
    refused(404, "subscription_not_found", lambda: client.subscriptions.destroy("none"))
    refused(404, "subscription_not_found", lambda: client.subscriptions.lifetime_usage("none"))
    refused(404, "billable_metric_not_found", lambda: client.billable_metrics.find("none"))
    refused(404, "billable_metric_not_found", lambda: client.customers.past_usage(
        CUSTOMER, SUBSCRIPTION, {"billable_metric_code": "none"}))
    refused(404, "plan_not_found", lambda: client.plans.find("none"))
    refused(404, "tax_not_found", lambda: client.taxes.destroy("none"))
    refused(404, "charge_not_found", lambda: usage(CUSTOMER, SUBSCRIPTION, charge_code="none"))
    refused(404, "event_not_found", lambda: client.events.find("none"))
    refused(404, "resource_not_found", client.add_ons.find_all)
    refused(405, "no_active_subscription", lambda: usage(CUSTOMER, "none"))
    refused(405, "no_active_subscription", lambda: usage(CUSTOMER, None))
    refused(405, "full_usage_not_allowed", lambda: usage(CUSTOMER, SUBSCRIPTION, full_usage=True))
    large = event("large", "jobs", {"text": "x" * (1 << 20)})
    refused(413, "request_too_large", lambda: client.events.create(large))

    def invalid(details, call):
        refused(422, "validation_errors", call, details)

    invalid({"code": ["value_already_exist"]}, lambda: client.taxes.create(
        Tax(name="VAT", code="vat_20", rate=1.0)))
    invalid({"transaction_id": ["value_already_exist"]},
            lambda: client.events.create(event("t1", "jobs")))
    invalid({"timestamp": ["invalid_format"]},
            lambda: client.events.create(event("t0", "jobs", timestamp="2024-01-01T00:00:00Z")))
    invalid({"1": {"transaction_id": ["value_already_exist"]}},
            lambda: client.events.batch_create(
                BatchEvent(events=[event("t0", "jobs"), event("t1", "jobs")])))
    invalid({"events": ["no_events"]}, lambda: client.events.batch_create(BatchEvent(events=[])))
    many = [event(f"m{i}", "jobs") for i in range(101)]
    invalid({"events": ["too_many_events"]},
            lambda: client.events.batch_create(BatchEvent(events=many)))
    # Nothing of what was refused is stored.
    for transaction in ["t0", "m0", "large"]:
        refused(404, "event_not_found", lambda: client.events.find(transaction))
    refused(503, "bucket_limit_exceeded", lambda: usage(CUSTOMER, "wide"),
            {"groups": ["value_is_out_of_range"]})


def end(client):
    """What has ended is gone from current usage; what is deleted is answered once more."""
    ended = client.subscriptions.destroy(SUBSCRIPTION)
    same((ended.status, ended.external_id), ("terminated", SUBSCRIPTION))
    refused(405, "no_active_subscription",
            lambda: client.customers.current_usage(CUSTOMER, SUBSCRIPTION))
    past = client.customers.past_usage(CUSTOMER, SUBSCRIPTION, {"per_page": 1})
    same((past["meta"]["total_count"], past["meta"]["next_page"]), (1, None))
    (period,) = past["usage_periods"]
    same((period.amount_cents, period.taxes_amount_cents, period.total_amount_cents),
         (1023, 205, 1228))
    uuid.UUID(period.lago_invoice_id)
    same([row.amount_cents for row in period.charges_usage], [160, 25, 663, 175])
    past = client.customers.past_usage(CUSTOMER, SUBSCRIPTION, {"billable_metric_code": "gb"})
    same([row.units for row in past["usage_periods"][0].charges_usage], ["12.5"])
    same(client.customers.past_usage(CUSTOMER, "wide")["usage_periods"], [])
    same(client.plan_charges.destroy("pro", "per_job").code, "per_job")
    same(client.subscriptions.destroy("wide").status, "terminated")
    same(client.billable_metrics.destroy("jobs").code, "jobs")
    same(client.plans.destroy("pro").code, "pro")
    same(client.customers.destroy(CUSTOMER).external_id, CUSTOMER)
    same(client.taxes.destroy("vat_20").code, "vat_20")


def story(url, key, reader_key):
    client = Client(api_key=key, api_url=url)
    metrics = set_up(client)
    send_events(client)
    read_usage(client, metrics)
    page_through(client)
    stranger = Client(api_key="no-such-key", api_url=url)
    meet_errors(client, stranger, Client(api_key=reader_key, api_url=url))
    end(client)


def retry(url, key):
    """All places are taken: without retries an error, with them an answer."""
    told = []
    impatient = Client(api_key=key, api_url=url, retry_on_rate_limit=False)
    try:
        impatient.taxes.find_all()
        raise AssertionError("expected a rate limit")
    except LagoRateLimitError as error:
        same((error.status_code, error.remaining, error.reset), (429, 0, 1))
        assert error.limit >= 1, error.limit
    patient = Client(api_key=key, api_url=url, on_rate_limit_info=told.append)
    sent = patient.events.create(event("patient", "jobs", subscription="later"))
    same((sent.transaction_id, told), ("patient", []))
    refused(422, "validation_errors", lambda: patient.events.create(event(
        "patient", "jobs", subscription="later")), {"transaction_id": ["value_already_exist"]})


if __name__ == "__main__":
    {"story": story, "retry": retry}[sys.argv[1]](*sys.argv[2:])
