//! `scenario.json`: what a case holds, as records of the two logs.

use std::collections::HashMap;

use odometer::core::catalog::check::{
    filter_values, prepare_charge, prepare_filter, presentation_group_keys, pricing_group_keys,
};
use odometer::core::catalog::record::Body;
use odometer::core::catalog::{
    ApiKey, BillingTime, Charge, ChargeFilter, Customer, Flag, Interval, Organization, Plan,
    PricingUnit, Status, Subscription, Tax,
};
use odometer::core::double::Double;
use odometer::core::instant::{Instant, SECOND};
use odometer::core::period::text;
use odometer::core::pricing::{Model, ModelKind};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::trees::to_value;
use crate::usage_inputs::{instant, metric, plain, texts};
use crate::vectors::decimal;
use crate::vectors_run::only_known;

/// Levels that a tax may be attached to.
const LEVELS: [&str; 4] = ["billing_entity", "customer", "plan", "charge"];

/// One case in an organisation of its own.
pub struct Seeds {
    /// External id of the organisation, which is its API key too.
    pub organization: String,
    /// What precedes the timeline, by organisation.
    pub setup: Vec<(String, Vec<Body>)>,
    next_id: u128,
    charges: HashMap<String, Uuid>,
    own: Tenant,
}

/// What one organisation has.
#[derive(Default)]
struct Tenant {
    first_metric: Option<String>,
    metrics: HashMap<String, Uuid>,
    plans: HashMap<String, Plan>,
    customers: Vec<String>,
    taxes: Vec<(Uuid, String, Vec<String>)>,
}

impl Tenant {
    /// The taxes of a level, or of the object that names some itself.
    fn taxes(&self, level: &str, named: &Json) -> Vec<Uuid> {
        let codes = texts(named);
        let own = |(_, code, levels): &&(Uuid, String, Vec<String>)| {
            levels.iter().any(|own| own == level) || codes.contains(code)
        };
        self.taxes.iter().filter(own).map(|(id, _, _)| *id).collect()
    }
}

impl Seeds {
    /// The records of a case's setup. `number` sets its ids apart from those of other cases.
    pub fn new(case: &Json, number: u64) -> Self {
        let organization = case["id"].as_str().unwrap().to_owned();
        let stranger = format!("{organization}-other");
        let mut seeds = Self {
            setup: vec![(organization.clone(), Vec::new()), (stranger, Vec::new())],
            next_id: u128::from(number) << 64,
            charges: HashMap::new(),
            own: Tenant::default(),
            organization,
        };
        let setup = &case["setup"];
        seeds.taxes(&setup["taxes"]);
        seeds.tenants(setup);
        let mut stranger = Tenant::default();
        for kind in ["billable_metrics", "plans", "customers", "subscriptions"] {
            for json in list(&setup[kind]) {
                // A subscription belongs where its customer does.
                let customer = json["external_customer_id"].as_str();
                let is_in = |tenant: &Tenant| {
                    tenant.customers.iter().any(|own| Some(own.as_str()) == customer)
                };
                let elsewhere = json["other_organization"] == true
                    || kind == "subscriptions" && is_in(&stranger) && !is_in(&seeds.own);
                if elsewhere {
                    std::mem::swap(&mut seeds.own, &mut stranger);
                }
                let body = match kind {
                    "billable_metrics" => seeds.metric(json),
                    "plans" => seeds.plan(json),
                    "customers" => seeds.customer(json),
                    _ => seeds.subscription(json),
                };
                if elsewhere {
                    std::mem::swap(&mut seeds.own, &mut stranger);
                }
                seeds.setup[usize::from(elsewhere)].1.push(body);
            }
        }
        seeds
    }

    fn id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    /// Objects are created one after the other, as their ids are.
    fn created_at(&self) -> Instant {
        Instant(i64::try_from(self.next_id & 0xffff_ffff).unwrap())
    }

    fn taxes(&mut self, taxes: &Json) {
        for json in list(taxes) {
            let id = self.id();
            let levels = texts(&json["applied_to"]);
            assert!(levels.iter().all(|level| LEVELS.contains(&level.as_str())), "{levels:?}");
            let code = text_of(json, "code");
            self.own.taxes.push((id, code.clone(), levels));
            let created_at = self.created_at();
            self.setup[0].1.push(Body::Tax(Tax {
                id,
                name: code.clone(),
                code,
                rate: Double::parse_literal(&json["rate"].to_string()).unwrap(),
                description: None,
                created_at,
            }));
        }
    }

    fn tenants(&mut self, setup: &Json) {
        let flags = list(&setup["organization"]["premium_integrations"]).iter();
        let flags: Vec<Flag> =
            flags.filter_map(|flag| Flag::from_name(flag.as_str().unwrap())).collect();
        let mut taxes = self.own.taxes("billing_entity", &Json::Null);
        for at in 0..self.setup.len() {
            let (id, name) = (self.id(), self.setup[at].0.clone());
            self.setup[at].1.push(Body::Organization(Organization {
                external_id: name.clone(),
                id,
                name: name.clone(),
                timezone: optional(&setup["billing_entity"], "timezone"),
                default_currency: optional(&setup["organization"], "default_currency"),
                taxes: std::mem::take(&mut taxes),
                flags: flags.clone(),
                api_keys: vec![api_key(&name)],
            }));
        }
    }

    fn metric(&mut self, json: &Json) -> Body {
        let mut metric = metric(json);
        metric.id = self.id();
        metric.created_at = self.created_at();
        metric.expression = optional(json, "expression");
        if metric.name.is_empty() {
            metric.name.clone_from(&metric.code);
        }
        self.own.first_metric.get_or_insert(metric.code.clone());
        self.own.metrics.insert(metric.code.clone(), metric.id);
        Body::BillableMetric(metric)
    }

    fn plan(&mut self, json: &Json) -> Body {
        let charges = list(&json["charges"]).iter().map(|json| self.charge(json)).collect();
        let plan = Plan {
            id: self.id(),
            code: text_of(json, "code"),
            name: text_of(json, "code"),
            interval: Interval::from_name(json["interval"].as_str().unwrap()).unwrap(),
            amount_cents: json["amount_cents"].as_i64().unwrap_or(0),
            currency: optional(json, "amount_currency").unwrap_or_else(|| "EUR".to_owned()),
            pay_in_advance: json["pay_in_advance"] == true,
            bill_charges_monthly: json["bill_charges_monthly"] == true,
            charges,
            taxes: self.own.taxes("plan", &Json::Null),
            parent: None,
            echo: odometer::core::catalog::Echo::default(),
            created_at: self.created_at(),
        };
        self.own.plans.insert(plan.code.clone(), plan.clone());
        Body::Plan(plan)
    }

    fn charge(&mut self, json: &Json) -> Charge {
        let kind = ModelKind::from_name(json["charge_model"].as_str().unwrap()).unwrap();
        let properties = prepare_charge(Some(kind.name()), &to_value(&json["properties"]));
        let unit = &json["applied_pricing_unit"];
        let id = self.id();
        if let Some(word) = json["id"].as_str() {
            self.charges.insert(word.to_owned(), id);
        }
        let code = optional(json, "code").unwrap_or_else(|| id.to_string());
        Charge {
            id,
            code,
            metric: self.own.metrics[json["billable_metric_code"].as_str().unwrap()],
            invoice_display_name: optional(json, "invoice_display_name"),
            model: Model::from_properties(kind, &properties),
            pricing_group_keys: pricing_group_keys(&properties),
            presentation_group_keys: presentation_group_keys(&properties),
            properties,
            pay_in_advance: json["pay_in_advance"] == true,
            prorated: json["prorated"] == true,
            invoiceable: json["invoiceable"] == true,
            min_amount_cents: json["min_amount_cents"].as_i64().unwrap_or(0),
            accepts_target_wallet: json["accepts_target_wallet"] == true,
            pricing_unit: unit.is_object().then(|| PricingUnit {
                code: text_of(unit, "code"),
                short_name: optional(unit, "short_name").unwrap_or_default(),
                conversion_rate: decimal(&unit["conversion_rate"]).unwrap(),
            }),
            taxes: self.own.taxes("charge", &json["tax_codes"]),
            created_at: self.created_at(),
            filters: list(&json["filters"]).iter().map(|json| self.filter(kind, json)).collect(),
            echo: odometer::core::catalog::Echo::default(),
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
            created_at: self.created_at(),
        }
    }

    fn customer(&mut self, json: &Json) -> Body {
        only_known(
            json,
            "customer",
            &["external_id", "currency", "timezone", "other_organization"],
        );
        let external_id = text_of(json, "external_id");
        self.own.customers.push(external_id.clone());
        Body::Customer(Customer {
            id: self.id(),
            external_id,
            name: None,
            timezone: optional(json, "timezone"),
            currency: optional(json, "currency"),
            taxes: self.own.taxes("customer", &Json::Null),
            echo: odometer::core::catalog::Echo::default(),
            created_at: self.created_at(),
        })
    }

    fn subscription(&mut self, json: &Json) -> Body {
        let started_at = instant(&json["started_at"]);
        let billing_time = json["billing_time"].as_str().unwrap_or("calendar");
        Body::Subscription(Subscription {
            id: self.id(),
            external_id: text_of(json, "external_id"),
            customer: text_of(json, "external_customer_id"),
            plan: self.own.plans[json["plan_code"].as_str().unwrap()].id,
            name: None,
            billing_time: BillingTime::from_name(billing_time).unwrap(),
            subscription_at: instant(&json["subscription_at"]).or(started_at).unwrap(),
            started_at,
            ending_at: instant(&json["ending_at"]),
            terminated_at: instant(&json["terminated_at"]),
            status: Status::from_name(json["status"].as_str().unwrap()).unwrap(),
            previous: None,
            created_at: Instant(0),
        })
    }

    /// The plan with a charge added.
    pub fn add_charge(&mut self, step: &Json) -> Body {
        let charge = self.charge(&step["charge"]);
        let plan = self.own.plans.get_mut(step["plan_code"].as_str().unwrap()).unwrap();
        plan.charges.push(charge);
        Body::Plan(plan.clone())
    }

    /// An event as producers write it.
    pub fn event(&self, payload: &Json, now: Instant) -> Json {
        let mut record = payload.clone();
        record["organization_id"] = json!(self.organization);
        if record.get("code").is_none() {
            record["code"] = json!(self.own.first_metric);
        }
        if record.get("properties").is_none() {
            record["properties"] = json!({});
        }
        if record.get("timestamp").is_none_or(Json::is_null) {
            record["timestamp"] = json!(written(now));
        }
        record
    }

    /// The parameters of a read in the order given.
    pub fn query(&self, params: &Json) -> Vec<(String, String)> {
        let mut query = Vec::new();
        for (name, value) in params.as_object().unwrap() {
            match value {
                Json::Object(members) => {
                    query.extend(members.iter().flat_map(|(key, value)| group(name, key, value)));
                }
                Json::Array(values) => {
                    query.extend(values.iter().map(|value| (format!("{name}[]"), plain(value))));
                }
                Json::String(text) if name.ends_with("charge_id") && !text.is_empty() => {
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

/// An instant to the microsecond.
pub fn written(at: Instant) -> String {
    let mut seconds = String::new();
    text::write_seconds(&mut seconds, at).unwrap();
    format!("{}.{:06}Z", seconds.trim_end_matches('Z'), at.micros().rem_euclid(SECOND))
}

/// A key whose text is this.
pub fn api_key(text: &str) -> ApiKey {
    ApiKey { digest: Sha256::digest(text.as_bytes()).into(), expires_at: None, permissions: None }
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
