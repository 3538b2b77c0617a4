"""Publishes a few events with confluent-kafka, as a producer of usage would.

    dev/python tests/rig/producers/publish.py --brokers 127.0.0.1:9092 --topic events_raw \\
        --organization ORG_ID --prefix run-7 \\
        --event SUBSCRIPTION:CODE --event SUBSCRIPTION:CODE:FIELD=VALUE

Event number i gets the transaction id PREFIX-i, so sending the same prefix again sends duplicates.
The one line on stdout is JSON: {"offsets": "topic-partition:next,..."}, the form of
Odometer-Offsets, from which on the events are visible.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer


def event_of(organization: str, transaction: str, text: str) -> dict[str, Any]:
    """An event in Lago's raw form from SUBSCRIPTION:CODE[:FIELD=VALUE]."""
    subscription, code, *rest = text.split(":", 2)
    now = time.time()
    return {
        "organization_id": organization,
        "external_subscription_id": subscription,
        "external_customer_id": None,
        "transaction_id": transaction,
        "code": code,
        "timestamp": f"{now:.3f}",
        "precise_total_amount_cents": "0.0",
        "properties": dict([rest[0].split("=", 1)]) if rest else {},
        "ingested_at": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
        "source": "rig_python",
        "source_metadata": {"api_post_processed": False},
    }


def publish(brokers: str, topic: str, events: list[dict[str, Any]]) -> dict[int, int]:
    """Sends the events and returns the next offset of every partition they went to."""
    following: dict[int, int] = {}
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error)
            return
        partition, offset = cast(tuple[int, int], (message.partition(), message.offset()))
        following[partition] = max(following.get(partition, 0), offset + 1)

    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "message.timeout.ms": 30_000})
    for event in events:
        key = f"{event['organization_id']}-{event['external_subscription_id']}"
        producer.produce(topic, json.dumps(event), key, on_delivery=delivered)
    producer.flush()
    if failures:
        raise KafkaException(failures[0])
    return following


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", default="events_raw")
    parser.add_argument("--organization", required=True)
    parser.add_argument(
        "--prefix", required=True, help="transaction ids are PREFIX-0, PREFIX-1, ..."
    )
    parser.add_argument(
        "--event", action="append", required=True, help="SUBSCRIPTION:CODE[:FIELD=VALUE]"
    )
    args = parser.parse_args()
    events = [
        event_of(args.organization, f"{args.prefix}-{i}", text) for i, text in enumerate(args.event)
    ]
    following = publish(args.brokers, args.topic, events)
    print(
        json.dumps(
            {"offsets": ",".join(f"{args.topic}-{p}:{n}" for p, n in sorted(following.items()))}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
