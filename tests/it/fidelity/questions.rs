//! Random requests for current usage.

use super::catalog::DECLARED;
use super::dice::Dice;
use crate::oracle::{Question, Tenant};

impl Question {
    /// A plain question about the first subscription.
    pub fn plain() -> Self {
        Self {
            customer: "customer-0".to_owned(),
            subscription: Some("sub-0".to_owned()),
            charge_id: None,
            charge_code: None,
            metric_code: None,
            group: Vec::new(),
            presentation: None,
            skip_grouping: false,
            apply_taxes: true,
            full_usage: false,
        }
    }

    /// The parameters that ask this.
    pub fn query(&self) -> Vec<(String, String)> {
        let mut query = Vec::new();
        let mut say = |name: &str, value: &str| query.push((name.to_owned(), value.to_owned()));
        if let Some(id) = &self.subscription {
            say("external_subscription_id", id);
        }
        for (name, value) in [
            ("charge_id", &self.charge_id),
            ("charge_code", &self.charge_code),
            ("billable_metric_code", &self.metric_code),
        ] {
            if let Some(value) = value {
                say(name, value);
            }
        }
        for (key, values) in &self.group {
            for value in values {
                say(&format!("group[{key}][]"), value);
            }
        }
        if let Some(keys) = &self.presentation {
            say("filter_by_presentation", &serde_json::to_string(keys).unwrap());
        }
        for (name, value, usual) in [
            ("skip_grouping", self.skip_grouping, false),
            ("apply_taxes", self.apply_taxes, true),
            ("full_usage", self.full_usage, false),
        ] {
            if value != usual {
                say(name, &value.to_string());
            }
        }
        query
    }
}

/// A question that the catalogue suggests.
pub fn question(dice: &mut Dice, tenant: &Tenant) -> Question {
    let mut question = Question::plain();
    if dice.percent(10) {
        let number = dice.below(3);
        question.customer = format!("customer-{number}");
        question.subscription = (dice.percent(60)).then(|| format!("sub-{number}"));
    } else if dice.percent(10) {
        question.subscription = None;
    }
    let charge = dice.pick(&tenant.plans[0].charges).clone();
    if dice.percent(15) {
        question.charge_id = Some(match dice.below(6) {
            0 => "no-id".to_owned(),
            1 => String::new(),
            _ => charge.id.to_string(),
        });
    }
    if dice.percent(8) {
        question.charge_code = Some(charge.code.clone());
    }
    if dice.percent(12) {
        let metric = tenant.metrics.iter().find(|metric| metric.id == charge.metric);
        question.metric_code =
            Some(metric.map_or("nothing".to_owned(), |metric| metric.code.clone()));
    }
    if dice.percent(25) {
        question.group = group(dice);
    }
    if dice.percent(15) {
        let keys = dice.some(&["user", "zone", "team"], 2);
        question.presentation = Some(keys.into_iter().map(str::to_owned).collect());
    }
    question.skip_grouping = dice.percent(10);
    question.apply_taxes = dice.percent(85);
    question.full_usage = dice.percent(12);
    question
}

fn group(dice: &mut Dice) -> Vec<(String, Vec<String>)> {
    let mut group = Vec::new();
    let texts = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    let (key, values) = *dice.pick(&DECLARED);
    if dice.percent(60) {
        group.push((key.to_owned(), texts(&values[..1 + dice.below(3)])));
    }
    if dice.percent(60) {
        let values: &[&str] = if dice.percent(50) { &["x"] } else { &["y", "1"] };
        group.push(("team".to_owned(), texts(values)));
    }
    group
}
