"""What Lago's Go and Ruby clients send, replayed byte by byte, and read by their rules.

    dev/python tests/sdk/replay/replay.py http://127.0.0.1:8080 sdk-key sdk-reader-key

Registries have no package of those two clients that this project could pin, so their requests are
written here: paths, headers, bodies and quirks. Go decodes into typed structs (`go.py`); Ruby takes
the root of a parsed hash. The first failure ends the script with status 1.
"""

import sys
from datetime import datetime, timedelta, timezone

import go
from wire import Wire, same

CUSTOMER = "acme.inc"
SUBSCRIPTION = "sub.1@acme"
ZERO_ID = "00000000-0000-0000-0000-000000000000"


class Go(Wire):
    """resty: a content type on every request, and a base URL that ends with a slash."""

    PREFIX = "//api/v1/"

    def headers(self, body):
        return {
            "User-Agent": "lago-go-client github.com/getlago/lago-go-client/v1",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.key}",
            "Accept-Encoding": "gzip",
        } | ({"Content-Length": str(len(body))} if body is not None else {})

    def read(self, kind, root, method, path, body=None):
        """Decodes the object under the root as the client does."""
        answer = self.ok(method, path, body)
        return go.decode(kind, answer[root], root)

    def list(self, kind, root, path):
        answer = self.ok("GET", path)
        go.decode(go.META, answer["meta"], "meta")
        return go.decode([kind], answer[root], root), answer["meta"]

    def refused(self, status, code, method, path, body=None, details=None):
        """The error as `lago.Error` has it: all of it comes from the body."""
        answer = super().refused(status, code, method, path, body, details)
        go.decode(go.ERROR, answer, "error")
        return answer


class Ruby(Wire):
    """Net::HTTP: a content type and a length of zero on a GET too, and no encoding of our names."""

    PREFIX = "/api/v1/"

    def headers(self, body):
        return {
            "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
            "Accept": "*/*",
            "User-Agent": "Lago Ruby v1.49.0",
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body or b"")),
        }

    def read(self, root, method, path, body=None):
        answer = self.ok(method, path, body)
        assert isinstance(answer[root], dict) and answer[root], answer
        return answer[root]

    def list(self, root, path):
        answer = self.ok("GET", path)
        assert isinstance(answer[root], list), answer
        meta = answer["meta"]
        same(sorted(meta),
             ["current_page", "next_page", "prev_page", "total_count", "total_pages"])
        return answer[root], meta


def go_catalogue(client):
    """Creates what is sold; every unset text travels as an empty one."""
    tax = {"tax": {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}}
    client.read(go.TAX, "tax", "POST", "taxes", tax)
    metrics = {}
    for code, kind, field in [("calls", "count_agg", ""), ("gb", "sum_agg", "gb")]:
        sent = {
            "name": code.title(),
            "code": code,
            "description": "",
            "aggregation_type": kind,
            "field_name": field,
            "filters": [{"key": "region", "values": ["eu", "us"]}],
        }
        made = client.read(go.METRIC, "billable_metric", "POST", "billable_metrics",
                           {"billable_metric": sent})
        metrics[code] = made["lago_id"]
    # An update is addressed by the code inside of what is sent.
    sent = {"name": "API calls", "code": "calls", "aggregation_type": "count_agg"}
    sent = {"billable_metric": sent | {"field_name": ""}}
    same(client.read(go.METRIC, "billable_metric", "PUT", "billable_metrics/calls", sent)["name"],
         "API calls")
    result = client.ok("POST", "billable_metrics/evaluate_expression",
                       {"expression": "event.properties.a + 1", "event": {"properties": {"a": 1}}})
    same(result["expression_result"], {"value": "2.0"})

    charge = {
        "billable_metric_id": metrics["calls"],
        "charge_model": "standard",
        "pay_in_advance": True,
        "invoiceable": True,
        "min_amount_cents": 0,
        "properties": {"amount": "0.5", "pricing_group_keys": ["team"]},
        "filters": [{"values": {"region": ["eu"]}, "properties": {"amount": "0.3"}}],
    }
    unset = charge | {"billable_metric_id": ZERO_ID}
    plan = {
        "name": "Pro",
        "code": "pro",
        "interval": "monthly",
        "amount_cents": 1000,
        "amount_currency": "EUR",
        "pay_in_advance": False,
        "bill_charges_monthly": False,
    }
    client.refused(404, "billable_metrics_not_found", "POST", "plans",
                   {"plan": plan | {"charges": [unset]}})
    volume = [{"from_value": 0, "to_value": None, "per_unit_amount": "1", "flat_amount": "2"}]
    gb = {"billable_metric_id": metrics["gb"], "charge_model": "volume"}
    charges = [charge, gb | {"properties": {"volume_ranges": volume}}]
    made = client.read(go.PLAN, "plan", "POST", "plans", {"plan": plan | {"charges": charges}})
    same([row["charge_model"] for row in made["charges"]], ["standard", "volume"])
    client.list(go.CHARGE, "charges", "plans/pro/charges?page=1&per_page=1")
    client.list(go.FILTER, "filters", "plans/pro/charges/calls/filters")

    customer = {"external_id": CUSTOMER, "name": "Acme", "currency": "EUR", "metadata": []}
    customer["finalize_zero_amount_invoice"] = "inherit"
    client.read(go.CUSTOMER, "customer", "POST", "customers", {"customer": customer})
    start = (datetime.now(timezone.utc) - timedelta(days=40)).strftime("%Y-%m-%dT00:00:00Z")
    row = {
        "external_customer_id": CUSTOMER,
        "plan_code": "pro",
        "external_id": SUBSCRIPTION,
        "billing_time": "anniversary",
        "subscription_at": start,
    }
    made = client.read(go.SUBSCRIPTION, "subscription", "POST", "subscriptions",
                       {"subscription": row})
    same((made["plan_amount_cents"], made["status"]), (1000, "active"))


def go_events(client):
    """Timestamps are texts."""
    now = int(datetime.now(timezone.utc).timestamp())

    def event(transaction, code, properties, timestamp=str(now)):
        return {
            "transaction_id": transaction,
            "external_subscription_id": SUBSCRIPTION,
            "code": code,
            "timestamp": timestamp,
            "precise_total_amount_cents": "3.25",
            "properties": properties,
        }

    sent = {"event": event("g1", "calls", {"region": "eu", "team": "a"}, f"{now}.25")}
    made = client.read(go.EVENT, "event", "POST", "events", sent)
    same(made["timestamp"][-5:], ".250Z")
    batch = [event("g2", "calls", {"team": "b"}), event("g3", "gb", {"gb": "2.5"})]
    answer = client.ok("POST", "events/batch", {"events": batch})
    same((list(answer), len(go.decode([go.EVENT], answer["events"], "events"))), (["events"], 2))
    client.read(go.EVENT, "event", "GET", "events/g1")
    client.list(go.EVENT, "events", "events?page=1&per_page=2&timestamp_from=2020-01-01T00:00:00Z")
    answer = client.ok("POST", "events/estimate_fees", {"event": event("g9", "calls", {})})
    fees = go.decode([go.FEE], answer["fees"], "fees")
    same([fee["amount_cents"] for fee in fees], [50])
    client.refused(422, "validation_errors", "POST", "events", sent,
                   {"transaction_id": ["value_already_exist"]})
    twice = {"events": [event("g4", "calls", {}), event("g1", "calls", {})]}
    client.refused(422, "validation_errors", "POST", "events/batch", twice,
                   {"1": {"transaction_id": ["value_already_exist"]}})


def go_usage(client):
    """`apply_taxes` always travels, and is false for callers who did not think of it."""
    path = f"customers/{CUSTOMER}/current_usage?external_subscription_id={SUBSCRIPTION}"

    def read(query):
        return client.read(go.USAGE, "customer_usage", "GET", f"{path}&{query}")

    usage = read("apply_taxes=false")
    totals = ("amount_cents", "taxes_amount_cents", "total_amount_cents")
    same([usage[name] for name in totals], [530, 0, 530])
    same(read("apply_taxes=true")["total_amount_cents"], 636)
    group = read("apply_taxes=true&group%5Bteam%5D=a&billable_metric_code=calls")
    same([row["units"] for row in group["charges_usage"]], ["1.0"])
    one = read("apply_taxes=false&filter_by_charge_code=gb")
    same([row["amount_cents"] for row in one["charges_usage"]], [450])
    path = path.replace("current_usage", "projected_usage")
    client.read(go.PROJECTED, "customer_projected_usage", "GET", f"{path}&apply_taxes=false")
    path = f"subscriptions/{SUBSCRIPTION}/lifetime_usage"
    sent = {"external_subscription_id": SUBSCRIPTION, "external_historical_usage_amount_cents": 70}
    made = client.read(go.LIFETIME, "lifetime_usage", "PUT", path, {"lifetime_usage": sent})
    same(made, client.read(go.LIFETIME, "lifetime_usage", "GET", path) | {
        "to_datetime": made["to_datetime"]})
    same((made["external_historical_usage_amount_cents"], made["current_usage_amount_cents"]),
         (70, 530))
    # The earliest version names no subscription.
    bare = client.read(go.USAGE, "customer_usage", "GET", f"customers/{CUSTOMER}/current_usage")
    same(bare["total_amount_cents"], 636)


def go_lists_and_errors(client, stranger, reader):
    client.list(go.TAX, "taxes", "taxes?page=1&per_page=10")
    client.list(go.METRIC, "billable_metrics", "billable_metrics?page=1")
    client.list(go.PLAN, "plans", "plans")
    client.list(go.CUSTOMER, "customers", "customers?metadata[key]=value")
    path = f"subscriptions?external_customer_id={CUSTOMER}&status%5B%5D=active&status%5B%5D=pending"
    rows, meta = client.list(go.SUBSCRIPTION, "subscriptions", path)
    same((len(rows), meta["total_count"], meta["next_page"]), (1, 1, None))
    usage = f"customers/{CUSTOMER}/current_usage?external_subscription_id="
    stranger.refused(401, None, "GET", usage + SUBSCRIPTION)
    reader.refused(403, "write_action_not_allowed_for_event", "POST", "events", {"event": {"a": 1}})
    client.refused(400, None, "POST", "events", {})
    client.refused(404, "customer_not_found", "GET", "customers/nobody/current_usage")
    client.refused(404, "resource_not_found", "GET", "no_such_thing")
    client.refused(405, "no_active_subscription", "GET", usage + "none")
    client.refused(422, "validation_errors", "GET", usage + "s&group=%5B%5D",
                   details={"group": ["invalid_format"]})
    # A failed expression tells a plain text, upstream's own exception to the two shapes.
    sent = {"name": "Bad", "code": "bad", "aggregation_type": "sum_agg", "field_name": "b"}
    sent["expression"] = "event.properties.b * 2"
    client.ok("POST", "billable_metrics", {"billable_metric": sent})
    event = {"transaction_id": "g8", "external_subscription_id": SUBSCRIPTION, "code": "bad"}
    failed = "expression_evaluation_failed: Variable: b not found"
    Wire.refused(client, 422, "validation_errors", "POST", "events", {"event": event}, failed)


def ruby(client):
    """Ruby takes hashes: what counts is that roots are there, and that nothing is empty."""
    created = client.read("customer", "POST", "customers",
                          {"customer": {"external_id": "dot.com", "name": "Dot"}})
    same(client.read("customer", "GET", "customers/dot.com")["lago_id"], created["lago_id"])
    row = {"external_customer_id": "dot.com", "plan_code": "pro", "external_id": "ruby:1"}
    client.read("subscription", "POST", "subscriptions", {"subscription": row})
    event = {
        "transaction_id": "r 1",
        "external_subscription_id": "ruby:1",
        "code": "calls",
        "timestamp": datetime.now(timezone.utc).timestamp(),
        "properties": {"region": "us", "team": "a|b"},
    }
    client.read("event", "POST", "events", {"event": event})
    same(client.read("event", "GET", "events/r%201")["transaction_id"], "r 1")
    path = "customers/dot.com/current_usage?external_subscription_id=ruby:1"
    usage = client.ok("GET", path)
    same((list(usage), usage["customer_usage"]["total_amount_cents"]), (["customer_usage"], 300))
    for query in ["filter_by_group%5Bteam%5D=a%7Cb", "filter_by_group[team]=a%7Cb"]:
        usage = client.ok("GET", f"{path}&{query}")["customer_usage"]
        same([row["units"] for row in usage["charges_usage"] if row["billable_metric"]["code"]
              == "calls"], ["1.0"])
    usage = client.ok("GET", f"{path}&filter_by_presentation=%5B%5D&apply_taxes=f")
    same(usage["customer_usage"]["taxes_amount_cents"], 0)
    rows, meta = client.list("subscriptions", "subscriptions?external_customer_id=dot.com")
    same((len(rows), meta["current_page"]), (1, 1))
    client.list("subscriptions", "customers/dot.com/subscriptions")
    client.list("filters", "subscriptions/ruby:1/charges/calls/filters")
    ended = client.read("subscription", "DELETE",
                        "subscriptions/ruby:1?on_termination_invoice=generate")
    same(ended["status"], "terminated")
    path_of_past = path.replace("current_usage", "past_usage")
    periods, meta = client.list("usage_periods", f"{path_of_past}&periods_count=3")
    same((meta["total_count"], periods[0]["total_amount_cents"]), (1, 300))
    go.decode(go.USAGE, periods[0], "usage_periods[0]")
    client.refused(404, "event_not_found", "GET", "events/none")
    client.refused(405, "no_active_subscription", "GET", path)
    client.refused(422, "validation_errors", "POST", "taxes", {"tax": {"name": "VAT"}},
                   {"code": ["value_is_mandatory"], "rate": ["value_is_mandatory"]})
    # A deletion answers with the object: nobody reads an empty body.
    for root, path in [
        ("customer", "customers/dot.com"),
        ("plan", "plans/pro"),
        ("tax", "taxes/vat"),
        ("billable_metric", "billable_metrics/bad"),
    ]:
        client.read(root, "DELETE", path)


def main(url, key, reader_key):
    client = Go(url, key)
    go_catalogue(client)
    go_events(client)
    go_usage(client)
    go_lists_and_errors(client, Go(url, "no-such-key"), Go(url, reader_key))
    ruby(Ruby(url, key))


if __name__ == "__main__":
    main(*sys.argv[1:])
