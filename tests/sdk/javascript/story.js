// A tenant's whole story with Lago's official JavaScript client, which is not changed in any way.
//
//     dev/node --list tests/sdk/javascript tests/sdk/javascript/story.js \
//         story http://127.0.0.1:8080 sdk-key sdk-reader-key
//     ... retry http://127.0.0.1:8080 sdk-key
//
// `story` creates what is sold, sends events, reads every kind of usage, pages through lists and
// meets each documented error. `retry` is for a service that has no place left for requests, and
// finds one after a while. The first failure ends the script with status 1.
"use strict";

const assert = require("node:assert/strict");
const { Client, LagoRateLimitError, getLagoError } = require("lago-javascript-client");

const CUSTOMER = "acme.inc:eu|1";
const SUBSCRIPTION = "sub.1@acme";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/;
const DAY_MS = 86_400_000;

const connect = (url, key, more) => Client(key, { baseUrl: `${url}/api/v1`, ...more });
const data = async (call) => (await call).data;

/** The call fails with this status and code, and the body says so in Lago's form. */
async function refused(status, code, call, details) {
  const answer = await call.then(
    ({ data }) => assert.fail(`expected ${status} ${code}, got ${JSON.stringify(data)}`),
    (error) => error,
  );
  assert.equal(answer.status, status);
  const body = await getLagoError(answer);
  assert.equal(body.status, status);
  assert.equal(typeof body.error, "string");
  assert.equal(body.code, code);
  if (details !== undefined) assert.deepEqual(body.error_details, details);
}

const invalid = (details, call) => refused(422, "validation_errors", call, details);

/** Rules that hold for every member of every answer, whatever it is about. */
function assertForms(node, name = "") {
  if (Array.isArray(node)) {
    node.forEach((element) => assertForms(element, name));
  } else if (node !== null && typeof node === "object") {
    // What callers sent themselves has no form of ours.
    if (name === "properties" || name === "grouped_by") return;
    for (const [key, value] of Object.entries(node)) assertForms(value, key);
  } else if (node !== null) {
    const text = typeof node === "string";
    if (/_cents$/.test(name) && !/precise/.test(name)) {
      assert.ok(Number.isSafeInteger(node), `${name}: ${node}`);
    }
    if (/units$/.test(name)) assert.ok(text && /^-?\d+\.\d+$/.test(node), `${name}: ${node}`);
    if (/^lago_.*id$/.test(name)) assert.match(node, UUID, name);
    if (/(_at|_datetime)$/.test(name)) assert.match(node, INSTANT, name);
  }
}

async function setUp(client) {
  const { organization } = await data(
    client.organizations.updateOrganization({ organization: { default_currency: "EUR" } }),
  );
  assert.equal(organization.name, "SDK");
  assert.equal((await data(client.organizations.findOrganization())).organization.timezone, "UTC");

  const sent = { name: "VAT", code: "vat_20", rate: "19.6", applied_to_organization: true };
  const { tax } = await data(client.taxes.createTax({ tax: sent }));
  assert.deepEqual([tax.rate, tax.applied_to_organization], [19.6, true]);
  const updated = await data(client.taxes.updateTax("vat_20", { tax: { rate: "20.0" } }));
  assert.equal(updated.tax.rate, 20);
  assert.equal((await data(client.taxes.findTax("vat_20"))).tax.lago_id, tax.lago_id);

  const metrics = {};
  for (const billable_metric of [
    {
      name: "Calls",
      code: "calls",
      aggregation_type: "count_agg",
      filters: [{ key: "region", values: ["us", "eu"] }],
    },
    { name: "Storage", code: "gb", aggregation_type: "sum_agg", field_name: "gb" },
    { name: "Tokens", code: "tokens", aggregation_type: "sum_agg", field_name: "n" },
    { name: "Jobs", code: "jobs", aggregation_type: "count_agg", expression: null },
  ]) {
    const made = await data(client.billableMetrics.createBillableMetric({ billable_metric }));
    assertForms(made);
    metrics[made.billable_metric.code] = made.billable_metric.lago_id;
  }
  const found = await data(client.billableMetrics.findBillableMetric("calls"));
  assert.deepEqual(found.billable_metric.filters, [{ key: "region", values: ["eu", "us"] }]);
  const renamed = await data(
    client.billableMetrics.updateBillableMetric("gb", { billable_metric: { name: "Storage, GB" } }),
  );
  assert.equal(renamed.billable_metric.name, "Storage, GB");
  const evaluated = await data(
    client.billableMetrics.evaluateBillableMetricExpression({
      expression: "ceil(event.properties.a / 2)",
      event: { code: "calls", timestamp: 1_700_000_000, properties: { a: "5" } },
    }),
  );
  assert.equal(evaluated.expression_result.value, "3.0");

  const ranges = [
    { from_value: 0, to_value: 10, per_unit_amount: "0.5", flat_amount: "0" },
    { from_value: 11, to_value: null, per_unit_amount: "0.25", flat_amount: "1" },
  ];
  const charge = (metric, properties, more = {}) => ({
    billable_metric_id: metrics[metric],
    charge_model: "standard",
    properties,
    ...more,
  });
  const europe = {
    invoice_display_name: "Europe",
    values: { region: ["eu"] },
    properties: { amount: "0.30" },
  };
  const { plan } = await data(
    client.plans.createPlan({
      plan: {
        name: "Pro",
        code: "pro",
        interval: "monthly",
        amount_cents: 1000,
        amount_currency: "EUR",
        pay_in_advance: false,
        charges: [
          charge("calls", { amount: "0.50" }, { filters: [europe] }),
          charge("gb", { graduated_ranges: ranges }, { charge_model: "graduated" }),
          charge("tokens", { amount: "0.001", pricing_group_keys: ["model"] }),
        ],
      },
    }),
  );
  assertForms(plan);
  assert.deepEqual(
    plan.charges.map((row) => row.billable_metric_code),
    ["calls", "gb", "tokens"],
  );
  await client.plans.createPlanCharge("pro", {
    charge: charge("jobs", { amount: "0.20" }, { code: "per_job", pay_in_advance: true }),
  });
  const changed = { charge_model: "standard", properties: { amount: "0.25" } };
  await client.plans.updatePlanCharge("pro", "per_job", { charge: changed });
  const job = await data(client.plans.findPlanCharge("pro", "per_job"));
  assert.equal(job.charge.properties.amount, "0.25");
  const listed = await data(client.plans.findAllPlanCharges("pro", { page: 2, per_page: 3 }));
  assert.deepEqual(
    [listed.charges.map((row) => row.code), listed.meta.prev_page],
    [["per_job"], 1],
  );
  const { filter } = await data(
    client.plans.createPlanChargeFilter("pro", "calls", {
      filter: { values: { region: ["us"] }, properties: { amount: "9" } },
    }),
  );
  await client.plans.updatePlanChargeFilter("pro", "calls", filter.lago_id, {
    filter: { properties: { amount: "8" } },
  });
  const us = await data(client.plans.findPlanChargeFilter("pro", "calls", filter.lago_id));
  assert.equal(us.filter.properties.amount, "8");
  await client.plans.destroyPlanChargeFilter("pro", "calls", filter.lago_id, {});
  const filters = await data(client.plans.findAllPlanChargeFilters("pro", "calls"));
  assert.equal(filters.meta.total_count, 1);
  const name = "Professional";
  const named = await data(client.plans.updatePlan("pro", { plan: { name, code: "pro" } }));
  assert.equal(named.plan.charges.length, 4);

  const { customer } = await data(
    client.customers.createCustomer({ customer: { external_id: CUSTOMER, currency: "EUR" } }),
  );
  assertForms(customer);
  assert.equal(customer.applicable_timezone, "UTC");
  const again = { external_id: CUSTOMER, name: "Acme Inc" };
  await client.customers.createCustomer({ customer: again });
  assert.equal((await data(client.customers.findCustomer(CUSTOMER))).customer.name, "Acme Inc");
  const start = `${new Date(Date.now() - 40 * DAY_MS).toISOString().slice(0, 10)}T00:00:00Z`;
  for (const external_id of [SUBSCRIPTION, "wide"]) {
    const { subscription } = await data(
      client.subscriptions.createSubscription({
        subscription: {
          external_customer_id: CUSTOMER,
          plan_code: "pro",
          external_id,
          billing_time: "anniversary",
          subscription_at: start,
        },
      }),
    );
    assertForms(subscription);
    assert.deepEqual([subscription.status, subscription.subscription_at], ["active", start]);
  }
  await client.subscriptions.updateSubscription(SUBSCRIPTION, { subscription: { name: "Main" } });
  const main = await data(client.subscriptions.findSubscription(SUBSCRIPTION));
  assert.deepEqual([main.subscription.name, main.subscription.plan_amount_cents], ["Main", 1000]);
  const charges = await data(client.subscriptions.findAllSubscriptionCharges(SUBSCRIPTION));
  assert.equal(charges.meta.total_count, 4);
  const own = await data(
    client.subscriptions.findAllSubscriptionChargeFilters(SUBSCRIPTION, "calls"),
  );
  assert.deepEqual(own.filters[0].values, { region: ["eu"] });
  const one = own.filters[0].lago_id;
  await client.subscriptions.findSubscriptionChargeFilter(SUBSCRIPTION, "calls", one);
  return metrics;
}

const event = (transaction_id, code, properties, more = {}) => ({
  transaction_id,
  external_subscription_id: SUBSCRIPTION,
  code,
  properties,
  ...more,
});

async function sendEvents(client) {
  // In the past, fractions included: the story may be over within the second.
  const now = Math.floor(Date.now() / 1000) - 1;
  const send = async (...event_) => data(client.events.createEvent({ event: event(...event_) }));
  assertForms(await send("t1", "calls", { region: "eu" }));
  const precise = { timestamp: `${now}`, precise_total_amount_cents: "1.5" };
  const second = await send("t2", "gb", { gb: 12.5 }, precise);
  assert.equal(second.event.precise_total_amount_cents, "1.5");
  const third = await send("t3", "calls", undefined, { timestamp: now + 0.25 });
  assert.equal(third.event.timestamp, `${new Date(now * 1000).toISOString().slice(0, 19)}.250Z`);
  const batch = await data(
    client.events.createBatchEvents({
      events: [
        event("t4", "calls", { region: "eu" }, { timestamp: now }),
        event("t5", "calls", { region: "us" }),
        event("t6", "tokens", { n: "1000", model: "a" }),
        event("t7", "tokens", { n: 500, model: "a" }),
        event("t8", "tokens", { n: "250.5", model: "b" }),
        event("t9", "jobs", {}),
      ],
    }),
  );
  assert.deepEqual(
    batch.events.map((row) => row.transaction_id),
    ["t4", "t5", "t6", "t7", "t8", "t9"],
  );
  assert.deepEqual(Object.keys(batch), ["events"]);
  const wide = [0, 1, 2, 3, 4].map((i) =>
    event(`w${i}`, "tokens", { n: 1, model: `m${i}` }, { external_subscription_id: "wide" }),
  );
  await client.events.createBatchEvents({ events: wide });
  assert.deepEqual((await data(client.events.findEvent("t2"))).event.properties, { gb: 12.5 });
}

async function readUsage(client, metrics) {
  const read = async (query) =>
    (
      await data(
        client.customers.findCustomerCurrentUsage(CUSTOMER, {
          external_subscription_id: SUBSCRIPTION,
          ...query,
        }),
      )
    ).customer_usage;
  const totals = (usage) => [
    usage.amount_cents,
    usage.taxes_amount_cents,
    usage.total_amount_cents,
  ];
  const usage = await read({});
  assertForms(usage);
  assert.deepEqual(totals(usage), [1023, 205, 1228]);
  assert.match(usage.issuing_date, /^\d{4}-\d\d-\d\d$/);
  const figures = usage.charges_usage.map((row) => [
    row.billable_metric.name,
    row.units,
    row.total_aggregated_units,
    row.events_count,
    row.amount_cents,
    row.amount_currency,
  ]);
  assert.deepEqual(figures, [
    ["Calls", "4.0", "4.0", 4, 160, "EUR"],
    ["Jobs", "1.0", "1.0", 1, 25, "EUR"],
    ["Storage, GB", "12.5", "12.5", 1, 663, "EUR"],
    ["Tokens", "1750.5", "1750.5", 3, 175, "EUR"],
  ]);
  const [calls, , , tokens] = usage.charges_usage;
  assert.equal(calls.billable_metric.lago_id, metrics.calls);
  assert.deepEqual(
    calls.filters.map((row) => [row.values, row.units, row.amount_cents]),
    [
      [{ region: ["eu"] }, "2.0", 60],
      [null, "2.0", 100],
    ],
  );
  const groups = tokens.grouped_usage.map((row) => [row.grouped_by.model, row.amount_cents]);
  assert.deepEqual(groups.sort(), [
    ["a", 150],
    ["b", 25],
  ]);

  assert.deepEqual(totals(await read({ apply_taxes: false })), [1023, 0, 1023]);
  const charge = (await read({ charge_code: "per_job" })).charges_usage;
  assert.deepEqual(charge.map((row) => row.amount_cents), [25]);
  // The typed `group` of the client does not travel; this form does.
  const group = await read({ billable_metric_code: "tokens", "group[model]": "a" });
  assert.deepEqual(group.charges_usage.map((row) => row.units), ["1500.0"]);
  const flat = await read({ billable_metric_code: "tokens", skip_grouping: true });
  assert.deepEqual(flat.charges_usage.map((row) => row.grouped_usage), [[]]);
  // Without a subscription there would be two to choose from.
  await invalid(
    { external_subscription_id: ["value_is_mandatory"] },
    client.customers.findCustomerCurrentUsage(CUSTOMER, {}),
  );

  const dates = [new Date().toISOString().slice(0, 10)];
  const query = { external_subscription_id: SUBSCRIPTION };
  const { customer_projected_usage: projected } = await data(
    client.customers.findCustomerProjectedUsage(CUSTOMER, query),
  );
  dates.push(new Date().toISOString().slice(0, 10));
  assertForms(projected);
  assert.deepEqual(totals(projected), [1023, 205, 1228]);
  assert.equal(typeof projected.projected_amount_cents, "number");
  const day = (text) => Date.parse(text.slice(0, 10)) / DAY_MS;
  const from = day(projected.from_datetime);
  const length = day(projected.to_datetime) - from + 1;
  const jobs = projected.charges_usage.find((row) => row.billable_metric.code === "jobs");
  const expected = dates.map((date) => length / (day(date) - from + 1));
  assert.ok(
    expected.some((units) => Math.abs(units - Number(jobs.projected_units)) <= 0.005),
    `${jobs.projected_units} is none of ${expected}`,
  );

  const { subscriptions } = client;
  const sent = { lifetime_usage: { external_historical_usage_amount_cents: 500 } };
  const put = await data(subscriptions.updateSubscriptionLifetimeUsage(SUBSCRIPTION, sent));
  const shown = await data(subscriptions.getSubscriptionLifetimeUsage(SUBSCRIPTION));
  for (const { lifetime_usage: lifetime } of [put, shown]) {
    assertForms(lifetime);
    assert.deepEqual(
      [
        lifetime.external_historical_usage_amount_cents,
        lifetime.invoiced_usage_amount_cents,
        lifetime.current_usage_amount_cents,
      ],
      [500, 0, 1023],
    );
  }

  const estimate = { event: event("any", "jobs", {}) };
  const { fees } = await data(client.events.eventEstimateFees(estimate));
  assertForms(fees.map(({ lago_id, ...fee }) => fee));
  assert.deepEqual(
    fees.map((fee) => [fee.amount_cents, fee.taxes_amount_cents, fee.units, fee.taxes_rate]),
    [[25, 5, "1.0", 20]],
  );
  const instant = await data(client.events.eventEstimateInstantFees(estimate));
  assert.deepEqual(instant.fees.map((fee) => fee.amount_cents), ["25.0"]);
  assert.deepEqual(totals(await read({})), [1023, 205, 1228]);
}

async function pageThrough(client) {
  const seen = [];
  for (let page = 1; page !== null; ) {
    const answer = await data(client.events.findAllEvents({ page, per_page: 4, code: "calls" }));
    assertForms(answer.events);
    assert.deepEqual([answer.meta.current_page, answer.meta.total_count], [page, 4]);
    seen.push(...answer.events.map((row) => row.transaction_id));
    page = answer.meta.next_page;
  }
  assert.deepEqual(seen.sort(), ["t1", "t3", "t4", "t5"]);
  const metrics = [];
  for (let page = 1; page !== null; ) {
    const answer = await data(client.billableMetrics.findAllBillableMetrics({ page, per_page: 3 }));
    assert.deepEqual([answer.meta.total_pages, answer.meta.total_count], [2, 4]);
    assert.equal(answer.meta.prev_page, page === 1 ? null : page - 1);
    metrics.push(...answer.billable_metrics.map((row) => row.code));
    page = answer.meta.next_page;
  }
  assert.deepEqual(metrics.sort(), ["calls", "gb", "jobs", "tokens"]);
  assert.deepEqual((await data(client.plans.findAllPlans())).plans.map((row) => row.code), ["pro"]);
  assert.equal((await data(client.taxes.findAllTaxes())).meta.total_count, 1);
  assert.equal((await data(client.customers.findAllCustomers())).meta.total_count, 1);
  const ids = (answer) => answer.subscriptions.map((row) => row.external_id).sort();
  const query = { external_customer_id: CUSTOMER, "status[]": ["active", "terminated"] };
  const all = await data(client.subscriptions.findAllSubscriptions(query));
  assert.deepEqual(ids(all), [SUBSCRIPTION, "wide"]);
  const own = await data(client.customers.findAllCustomerSubscriptions(CUSTOMER));
  assert.deepEqual(ids(own), [SUBSCRIPTION, "wide"]);
  const none = await data(client.subscriptions.findAllSubscriptions({ "status[]": ["pending"] }));
  assert.deepEqual(none.meta, {
    current_page: 0,
    next_page: null,
    prev_page: null,
    total_pages: 0,
    total_count: 0,
  });
}

async function meetErrors(client, url, readerKey) {
  const query = { external_subscription_id: SUBSCRIPTION };
  const usage = (customer, more, from = client) =>
    from.customers.findCustomerCurrentUsage(customer, { ...query, ...more });
  const send = (sent, from = client) => from.events.createEvent({ event: sent });
  const batch = (events) => client.events.createBatchEvents({ events });
  const reader = connect(url, readerKey);

  await refused(400, undefined, client.events.createEvent({}));
  await refused(401, undefined, usage(CUSTOMER, {}, connect(url, "no-such-key")));
  await refused(401, undefined, usage(CUSTOMER, {}, connect(url, "")));
  assert.equal((await data(usage(CUSTOMER, {}, reader))).customer_usage.amount_cents, 1023);
  await refused(403, "write_action_not_allowed_for_event", send(event("t0", "jobs"), reader));
  await refused(403, "read_action_not_allowed_for_plan", reader.plans.findAllPlans());
  for (const [code, call] of [
    ["customer_not_found", () => usage("nobody")],
    ["customer_not_found", () => client.customers.destroyCustomer("nobody")],
    ["customer_not_found", () => client.customers.findAllCustomerSubscriptions("nobody")],
    ["subscription_not_found", () => client.subscriptions.findSubscription("none")],
    ["subscription_not_found", () => client.subscriptions.findAllSubscriptionCharges("none")],
    ["subscription_not_found", () => client.subscriptions.getSubscriptionLifetimeUsage("none")],
    ["billable_metric_not_found", () => client.billableMetrics.findBillableMetric("none")],
    ["plan_not_found", () => client.plans.updatePlan("none", { plan: { name: "None" } })],
    ["tax_not_found", () => client.taxes.findTax("none")],
    ["charge_not_found", () => usage(CUSTOMER, { charge_code: "none" })],
    ["charge_not_found", () => client.plans.findPlanCharge("pro", "none")],
    ["event_not_found", () => client.events.findEvent("none")],
    ["resource_not_found", () => client.addOns.findAllAddOns({})],
  ]) {
    await refused(404, code, call());
  }
  for (const external_subscription_id of ["none", "undefined"]) {
    const call = usage(CUSTOMER, { external_subscription_id });
    await refused(405, "no_active_subscription", call);
  }
  await refused(405, "full_usage_not_allowed", usage(CUSTOMER, { full_usage: true }));
  const { headers } = await usage(CUSTOMER);
  const beyond = headers.get("odometer-offsets").replace(/:\d+/, ":999999");
  await refused(409, "offset_not_reached", usage(CUSTOMER, { min_offset: beyond }));
  await refused(504, "offset_not_reached", usage(CUSTOMER, { min_offset: beyond, wait: 1 }));
  const large = event("large", "jobs", { text: "x".repeat(1 << 20) });
  await refused(413, "request_too_large", send(large));

  await invalid(
    { external_subscription_id: ["value_is_mandatory"] },
    client.customers.findAllCustomerPastUsage(CUSTOMER, {}),
  );
  await invalid({ group: ["invalid_format"] }, usage(CUSTOMER, { group: { model: "a" } }));
  await invalid(
    { code: ["value_already_exist"] },
    client.taxes.createTax({ tax: { name: "VAT", code: "vat_20", rate: "1" } }),
  );
  await invalid({ transaction_id: ["value_already_exist"] }, send(event("t1", "jobs")));
  const iso = { timestamp: "2024-01-01T00:00:00Z" };
  await invalid({ timestamp: ["invalid_format"] }, send(event("t0", "jobs", {}, iso)));
  await invalid(
    { 1: { transaction_id: ["value_already_exist"] } },
    batch([event("t0", "jobs"), event("t1", "jobs")]),
  );
  await invalid({ events: ["no_events"] }, batch([]));
  const many = Array.from({ length: 101 }, (_, i) => event(`m${i}`, "jobs"));
  await invalid({ events: ["too_many_events"] }, batch(many));
  for (const id of ["t0", "m0", "large"]) {
    await refused(404, "event_not_found", client.events.findEvent(id));
  }
  const wide = usage(CUSTOMER, { external_subscription_id: "wide" });
  await refused(503, "bucket_limit_exceeded", wide, { groups: ["value_is_out_of_range"] });
}

async function end(client) {
  const { subscription } = await data(client.subscriptions.destroySubscription(SUBSCRIPTION));
  assert.equal(subscription.status, "terminated");
  assert.match(subscription.terminated_at, INSTANT);
  const query = { external_subscription_id: SUBSCRIPTION };
  const usage = client.customers.findCustomerCurrentUsage(CUSTOMER, query);
  await refused(405, "no_active_subscription", usage);
  const past = await data(client.customers.findAllCustomerPastUsage(CUSTOMER, query));
  assertForms(past);
  assert.equal(past.meta.total_count, 1);
  const [period] = past.usage_periods;
  assert.match(period.lago_invoice_id, UUID);
  assert.deepEqual(
    [period.amount_cents, period.taxes_amount_cents, period.total_amount_cents],
    [1023, 205, 1228],
  );
  assert.deepEqual(
    period.charges_usage.map((row) => [row.billable_metric.code, row.amount_cents]),
    [
      ["calls", 160],
      ["jobs", 25],
      ["gb", 663],
      ["tokens", 175],
    ],
  );
  const gone = await data(client.plans.destroyPlanCharge("pro", "per_job", {}));
  assert.equal(gone.charge.code, "per_job");
  await client.subscriptions.destroySubscription("wide");
  await client.billableMetrics.destroyBillableMetric("jobs");
  assert.equal((await data(client.plans.destroyPlan("pro"))).plan.code, "pro");
  const { customer } = await data(client.customers.destroyCustomer(CUSTOMER));
  assert.equal(customer.external_id, CUSTOMER);
  assert.equal((await data(client.taxes.destroyTax("vat_20"))).tax.code, "vat_20");
}

async function story(url, key, readerKey) {
  const client = connect(url, key);
  const metrics = await setUp(client);
  await sendEvents(client);
  await readUsage(client, metrics);
  await pageThrough(client);
  await meetErrors(client, url, readerKey);
  await end(client);
}

/** All places are taken: without retries an error, with them an answer. */
async function retry(url, key) {
  const sent = event("patient", "jobs", {}, { external_subscription_id: "later" });
  await refused(429, "too_many_requests", connect(url, key).taxes.findAllTaxes());
  const impatient = connect(url, key, { rateLimitRetry: { retryOnRateLimit: false } });
  const limit = await impatient.taxes.findAllTaxes().catch((error) => error);
  assert.ok(limit instanceof LagoRateLimitError, `${limit} ${limit.status}`);
  assert.deepEqual([limit.remaining, limit.reset], [0, 1]);
  assert.ok(limit.limit >= 1);
  const patient = connect(url, key, { rateLimitRetry: { maxRetries: 3 } });
  const { event: stored } = await data(patient.events.createEvent({ event: sent }));
  assert.equal(stored.transaction_id, "patient");
  const again = patient.events.createEvent({ event: sent });
  await invalid({ transaction_id: ["value_already_exist"] }, again);
}

const [command, ...words] = process.argv.slice(2);
({ story, retry })[command](...words).catch((error) => {
  console.error(error);
  process.exit(1);
});
