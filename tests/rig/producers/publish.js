// Publishes a few events with kafkajs, as a producer of usage would.
//
//     dev/node tests/rig/producers/publish.js --brokers 127.0.0.1:9092 --topic events_raw \
//         --organization ORG_ID --prefix run-7 \
//         --event SUBSCRIPTION:CODE --event SUBSCRIPTION:CODE:FIELD=VALUE
//
// Event number i gets the transaction id PREFIX-i, so sending the same prefix again sends
// duplicates. The one line on stdout is JSON: {"offsets": "topic-partition:next,..."}, the form of
// Odometer-Offsets, from which on the events are visible.
"use strict";

const { parseArgs } = require("node:util");
const { Kafka, Partitioners, logLevel } = require("kafkajs");

const usage =
  "usage: publish.js --brokers HOST:PORT [--topic NAME] --organization ID --prefix TEXT " +
  "--event SUBSCRIPTION:CODE[:FIELD=VALUE]...";

/** An event in Lago's raw form from SUBSCRIPTION:CODE[:FIELD=VALUE]. */
function eventOf(organization, transaction, text) {
  const [subscription, code, ...rest] = text.split(":");
  const properties = {};
  if (rest.length > 0) {
    const [field, ...value] = rest.join(":").split("=");
    properties[field] = value.join("=");
  }
  const now = Date.now();
  return {
    organization_id: organization,
    external_subscription_id: subscription,
    transaction_id: transaction,
    code,
    // A number here, where the other producer sends text: both are dialects of the topic.
    timestamp: now / 1000,
    precise_total_amount_cents: "0.0",
    properties,
    ingested_at: new Date(now).toISOString().slice(0, -1),
    source: "rig_kafkajs",
  };
}

async function main() {
  const { values } = parseArgs({
    options: {
      brokers: { type: "string" },
      topic: { type: "string", default: "events_raw" },
      organization: { type: "string" },
      prefix: { type: "string" },
      event: { type: "string", multiple: true, default: [] },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  if (!values.brokers || !values.organization || !values.prefix || values.event.length === 0) {
    throw new Error(usage);
  }
  const kafka = new Kafka({
    clientId: "rig-kafkajs",
    brokers: values.brokers.split(","),
    logLevel: logLevel.ERROR,
  });
  // Java's murmur2, unlike librdkafka's default: one subscription may then lie on two partitions.
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    const messages = values.event.map((text, i) => {
      const event = eventOf(values.organization, `${values.prefix}-${i}`, text);
      return {
        key: `${event.organization_id}-${event.external_subscription_id}`,
        value: JSON.stringify(event),
      };
    });
    const sent = await producer.send({ topic: values.topic, acks: -1, messages });
    const after = await offsetsOf(kafka, values.topic);
    const touched = new Set(sent.map((item) => item.partition));
    const offsets = [...after]
      .filter(([partition]) => touched.has(partition))
      .sort(([one], [other]) => one - other)
      .map(([partition, next]) => `${values.topic}-${partition}:${next}`);
    console.log(JSON.stringify({ offsets: offsets.join(",") }));
  } finally {
    await producer.disconnect();
  }
}

/** Next offsets by partition; the acknowledgement tells only where a batch begins. */
async function offsetsOf(kafka, topic) {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const offsets = await admin.fetchTopicOffsets(topic);
    return new Map(offsets.map(({ partition, offset }) => [partition, offset]));
  } finally {
    await admin.disconnect();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
