"""Prints the catalogue that the rig's workload is about, for `odometer catalog apply`.

dev/python tests/rig/catalog.py --subscriptions 10000 > catalog.yaml
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rule import Workload

DEFAULT_WORKLOAD = Path(__file__).with_name("workload.json")
# Long before any event, so that every month of the workload is a whole one.
SUBSCRIBED_AT = "2020-01-01"


def catalog(workload: Workload, subscriptions: int) -> dict[str, Any]:
    """One plan with a standard charge for every metric; customers without taxes, in UTC."""
    ids = list(workload.organizations)
    return {
        "organizations": [
            _organization(workload, organization, range(place, subscriptions, len(ids)))
            for place, organization in enumerate(ids)
        ]
    }


def _organization(workload: Workload, organization: str, numbers: range) -> dict[str, Any]:
    key = workload.organizations[organization]
    return {
        "external_id": organization,
        "name": "Rig",
        "timezone": "UTC",
        "default_currency": "EUR",
        "api_keys": [{"sha256": hashlib.sha256(key.encode()).hexdigest()}],
        "billable_metrics": list(_metrics(workload)),
        "plans": [
            {
                "code": "rig",
                "name": "Rig",
                "interval": "monthly",
                "amount_cents": 0,
                "charges": [
                    {
                        "billable_metric_code": code,
                        "charge_model": "standard",
                        "properties": {"amount": str(metric.price)},
                    }
                    for code, metric in workload.metrics.items()
                ],
            }
        ],
        "customers": [{"external_id": workload.customer.format(n=n)} for n in numbers],
        "subscriptions": [
            {
                "external_id": workload.subscription.format(n=n),
                "external_customer_id": workload.customer.format(n=n),
                "plan_code": "rig",
                "subscription_at": SUBSCRIBED_AT,
            }
            for n in numbers
        ],
    }


def _metrics(workload: Workload) -> Iterator[dict[str, Any]]:
    for code, metric in workload.metrics.items():
        fields = {"code": code, "name": code, "aggregation_type": metric.aggregation}
        if metric.field is not None:
            fields["field_name"] = metric.field
        yield fields


def main() -> int:
    """Runs the command line. JSON is YAML, and every tool reads it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument(
        "--workload", default=DEFAULT_WORKLOAD, help="metrics and tenants (workload.json)"
    )
    args = parser.parse_args()
    json.dump(catalog(Workload.load(args.workload), args.subscriptions), sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
