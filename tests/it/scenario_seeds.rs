//! `scenario.json`: what a case holds, as records of the two logs.

use std::collections::HashMap;

use odometer::core::catalog::check::{
    filter_values, prepare_charge, prepare_filter, presentation_group_keys, pricing_group_keys,
};
use odometer::core::catalog::lifecycle::{Creation, Situation, create};
use odometer::core::catalog::record::Body;
use odometer::core::catalog::version::Versioned;
use odometer::core::catalog::zones::zone_of;
use odometer::core::catalog::{
    ApiKey, BillingTime, Charge, ChargeFilter, Customer, Flag, Interval, Organization, Plan,
    PricingUnit, Status, Subscription, Tax,
};
use odometer::core::double::Double;
use odometer::core::instant::Instant;
use odometer::core::period::text;
use odometer::core::pricing::{Model, ModelKind};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::usage_inputs::{instant, metric};
use crate::vectors::{decimal, to_value};

/// One case in an organisation of its own.
pub struct Seeds {
    /// External id of the organisation, which is its API key too.
    pub organization: String,
    /// What precedes the timeline, by organisation.
    pub setup: Vec<(String, Vec<Body>)>,
    next_id: u128,
    metrics: HashMap<String, Uuid>,
    plans: HashMap<String, Plan>,
    charges: HashMap<String, Uuid>,
    subscriptions: Vec<Subscription>,
    /// Zones of the customers by external id, and the one of the organization.
    zones: (HashMap<String, String>, Option<String>),
}

impl Seeds {
    /// The records of a case's setup. `number` sets its ids apart from those of other cases.
    pub fn new(case: &Json, number: u64) -> Self {
        let organization = case["id"].as_str().unwrap().to_owned();
        let mut seeds = Self {
            setup: Vec::new(),
            next_id: u128::from(number) << 64,
            metrics: HashMap::new(),
            plans: HashMap::new(),
            charges: HashMap::new(),
            subscriptions: Vec::new(),
            zones: (HashMap::new(), optional(&case["setup"]["billing_entity"], "timezone")),
            organization: organization.clone(),
        };
        let stranger = format!("{organization}-other");
        let mut bodies = [(organization, Vec::new()), (stranger, Vec::new())];
        seeds.tenants(case, &mut bodies);
        for kind in ["billable_metrics", "plans", "customers", "subscriptions"] {
            for json in list(&case["setup"][kind]) {
                let body = match kind {
                    "billable_metrics" => seeds.metric(json),
                    "plans" => seeds.plan(json),
                    "customers" => seeds.customer(json),
                    _ => seeds.seeded_subscription(json),
                };
                bodies[usize::from(json["other_organization"] == true)].1.push(body);
            }
        }
        seeds.setup = bodies.into();
        seeds
    }

    fn id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    fn tenants(&mut self, case: &Json, bodies: &mut [(String, Vec<Body>)]) {
        let setup = &case["setup"];
        let mut attached = Vec::new();
        for (json, created) in list(&setup["taxes"]).iter().zip(0..) {
            let id = self.id();
            let levels = list(&json["applied_to"]);
            assert!(levels.iter().all(|level| level == "billing_entity"), "{levels:?}");
            if !levels.is_empty() {
                attached.push(id);
            }
            bodies[0].1.push(Body::Tax(Tax {
                id,
                code: text_of(json, "code"),
                name: text_of(json, "code"),
                rate: Double::parse_literal(&json["rate"].to_string()).unwrap(),
                description: None,
                created_at: Instant(created),
            }));
        }
        for (name, bodies) in bodies {
            let flags = list(&setup["organization"]["premium_integrations"]).iter();
            bodies.push(Body::Organization(Organization {
                external_id: name.clone(),
                id: self.id(),
                name: name.clone(),
                timezone: optional(&setup["billing_entity"], "timezone"),
                default_currency: optional(&setup["organization"], "default_currency"),
                taxes: std::mem::take(&mut attached),
                flags: flags.filter_map(|flag| Flag::from_name(flag.as_str().unwrap())).collect(),
                api_keys: vec![api_key(name)],
            }));
        }
    }

    fn metric(&mut self, json: &Json) -> Body {
        let mut metric = metric(json);
        metric.id = self.id();
        self.metrics.insert(metric.code.clone(), metric.id);
        Body::BillableMetric(metric)
    }

    fn plan(&mut self, json: &Json) -> Body {
        let charges = list(&json["charges"]).iter().map(|json| self.charge(json)).collect();
        let plan = Plan {
            id: self.id(),
            code: text_of(json, "code"),
            name: text_of(json, "code"),
            interval: Interval::from_name(json["interval"].as_str().unwrap()).unwrap(),
            amount_cents: json["amount_cents"].as_i64().unwrap(),
            currency: optional(json, "amount_currency").unwrap_or_else(|| "EUR".to_owned()),
            pay_in_advance: json["pay_in_advance"] == true,
            bill_charges_monthly: json["bill_charges_monthly"] == true,
            charges,
            taxes: Vec::new(),
            parent: None,
            created_at: Instant(0),
        };
        self.plans.insert(plan.code.clone(), plan.clone());
        Body::Plan(plan)
    }

    fn charge(&mut self, json: &Json) -> Charge {
        let kind = ModelKind::from_name(json["charge_model"].as_str().unwrap()).unwrap();
        let properties = prepare_charge(Some(kind.name()), &to_value(&json["properties"]));
        let unit = &json["applied_pricing_unit"];
        let id = self.id();
        self.charges.insert(text_of(json, "id"), id);
        Charge {
            id,
            code: text_of(json, "code"),
            metric: self.metrics[json["billable_metric_code"].as_str().unwrap()],
            invoice_display_name: optional(json, "invoice_display_name"),
            model: Model::from_properties(kind, &properties),
            pricing_group_keys: pricing_group_keys(&properties),
            presentation_group_keys: presentation_group_keys(&properties),
            properties,
            pay_in_advance: json["pay_in_advance"] == true,
            prorated: json["prorated"] == true,
            invoiceable: json["invoiceable"] == true,
            min_amount_cents: json["min_amount_cents"].as_i64().unwrap_or(0),
            accepts_target_wallet: false,
            pricing_unit: unit.is_object().then(|| PricingUnit {
                code: text_of(unit, "code"),
                short_name: text_of(unit, "short_name"),
                conversion_rate: decimal(&unit["conversion_rate"]).unwrap(),
            }),
            taxes: Vec::new(),
            filters: list(&json["filters"]).iter().map(|json| self.filter(kind, json)).collect(),
            created_at: Instant(0),
        }
    }

    fn filter(&mut self, kind: ModelKind, json: &Json) -> ChargeFilter {
        let properties = prepare_filter(Some(kind.name()), &to_value(&json["properties"]));
        let id = self.id();
        ChargeFilter {
            id,
            invoice_display_name: optional(json, "invoice_display_name"),
            values: filter_values(&to_value(&json["values"])),
            model: Model::from_properties(kind, &properties),
            pricing_group_keys: pricing_group_keys(&properties),
            properties,
            // Created one after the other, as their ids are.
            created_at: Instant(i64::try_from(self.next_id & 0xffff).unwrap()),
        }
    }

    fn customer(&mut self, json: &Json) -> Body {
        if let Some(zone) = optional(json, "timezone") {
            self.zones.0.insert(text_of(json, "external_id"), zone);
        }
        Body::Customer(Customer {
            id: self.id(),
            external_id: text_of(json, "external_id"),
            name: None,
            timezone: optional(json, "timezone"),
            currency: optional(json, "currency"),
            taxes: Vec::new(),
            created_at: Instant(0),
        })
    }

    fn seeded_subscription(&mut self, json: &Json) -> Body {
        let started_at = instant(&json["started_at"]);
        let row = Subscription {
            status: Status::from_name(json["status"].as_str().unwrap()).unwrap(),
            ending_at: instant(&json["ending_at"]),
            terminated_at: instant(&json["terminated_at"]),
            subscription_at: instant(&json["subscription_at"]).or(started_at).unwrap(),
            started_at,
            ..self.subscription(json, Instant(0))
        };
        self.subscriptions.push(row.clone());
        Body::Subscription(row)
    }

    /// A row that starts now.
    fn subscription(&mut self, json: &Json, now: Instant) -> Subscription {
        let billing_time = json["billing_time"].as_str().unwrap_or("calendar");
        Subscription {
            id: self.id(),
            external_id: text_of(json, "external_id"),
            customer: text_of(json, "external_customer_id"),
            plan: self.plans[json["plan_code"].as_str().unwrap()].id,
            name: None,
            billing_time: BillingTime::from_name(billing_time).unwrap(),
            subscription_at: now,
            started_at: Some(now),
            ending_at: None,
            terminated_at: None,
            status: Status::Active,
            previous: None,
            created_at: now,
        }
    }

    /// The rows that a request to create a subscription leaves behind.
    pub fn create_subscription(&mut self, json: &Json, now: Instant) -> Vec<Body> {
        let id = self.id();
        let (external_id, customer) =
            (text_of(json, "external_id"), text_of(json, "external_customer_id"));
        let creation = Creation {
            id,
            external_id: &external_id,
            customer: &customer,
            plan: &self.plans[json["plan_code"].as_str().unwrap()],
            name: None,
            billing_time: json["billing_time"].as_str().and_then(BillingTime::from_name),
            subscription_at: instant(&json["subscription_at"]),
            ending_at: json.get("ending_at").map(instant),
        };
        let rows = self.subscriptions.iter().filter(|row| row.external_id == external_id);
        let rows: Vec<_> = rows.map(|row| Versioned::new(row.clone(), 1, now)).collect();
        let plans = |id| self.plans.values().find(|plan| plan.id == id);
        let zone =
            zone_of(self.zones.0.get(&customer).map(String::as_str), self.zones.1.as_deref());
        let situation = Situation { rows: &rows, plans: &plans, zone: &zone, now };
        let decided = create(&creation, &situation).unwrap();
        for row in &decided.writes {
            self.subscriptions.retain(|known| known.id != row.id);
            self.subscriptions.push(row.clone());
        }
        self.subscriptions.sort_by_key(|row| (row.created_at, row.id));
        decided.writes.into_iter().map(Body::Subscription).collect()
    }

    /// The plan with a charge added.
    pub fn add_charge(&mut self, step: &Json) -> Body {
        let charge = self.charge(&step["charge"]);
        let plan = self.plans.get_mut(step["plan_code"].as_str().unwrap()).unwrap();
        plan.charges.push(charge);
        Body::Plan(plan.clone())
    }

    /// An event as producers write it.
    pub fn event(&self, payload: &Json, now: Instant) -> String {
        let mut record = payload.clone();
        record["organization_id"] = json!(self.organization);
        if record.get("timestamp").is_none_or(Json::is_null) {
            let mut at = String::new();
            text::write_millis(&mut at, now).unwrap();
            record["timestamp"] = json!(at);
        }
        record.to_string()
    }

    /// The parameters of a read in the order given.
    pub fn query(&self, params: &Json) -> Vec<(String, String)> {
        let mut query = Vec::new();
        for (name, value) in params.as_object().unwrap() {
            match value {
                Json::Object(members) => {
                    query.extend(members.iter().flat_map(|(key, value)| group(name, key, value)));
                }
                Json::String(text) if name.ends_with("charge_id") => {
                    query.push((name.clone(), self.charge_id(text).to_string()));
                }
                value => query.push((name.clone(), plain(value))),
            }
        }
        query
    }

    /// The tree with every charge's word replaced by its id.
    pub fn named(&self, tree: &Json) -> Json {
        match tree {
            Json::String(text) => {
                self.charges.get(text).map_or_else(|| tree.clone(), |id| json!(id.to_string()))
            }
            Json::Array(list) => list.iter().map(|json| self.named(json)).collect(),
            Json::Object(members) => {
                members.iter().map(|(key, json)| (key.clone(), self.named(json))).collect()
            }
            other => other.clone(),
        }
    }

    /// The id that a case's own word stands for; one of nothing if it is no charge's.
    fn charge_id(&self, word: &str) -> Uuid {
        self.charges.get(word).copied().unwrap_or(Uuid::max())
    }
}

fn group(name: &str, key: &str, value: &Json) -> Vec<(String, String)> {
    match value {
        Json::Array(values) => {
            values.iter().map(|value| (format!("{name}[{key}][]"), plain(value))).collect()
        }
        value => vec![(format!("{name}[{key}]"), plain(value))],
    }
}

/// A key whose text is this.
pub fn api_key(text: &str) -> ApiKey {
    ApiKey { digest: Sha256::digest(text.as_bytes()).into(), expires_at: None, permissions: None }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text_of(json: &Json, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("{name} of {json}")).to_owned()
}

fn optional(json: &Json, name: &str) -> Option<String> {
    json[name].as_str().map(str::to_owned)
}
