//! Quantities read from what is kept event by event.

use std::borrow::Cow;

use super::ask::{Ask, BucketAsk, Measured, allowance, pricing_keys, quantity};
use crate::core::aggregate::kept::{Condition, Content, Recipe, Span, Told};
use crate::core::aggregate::{Carry, Records, Terms};
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter};
use crate::core::pricing::{ModelKind, Quantity};

/// How the bucket of a filter, or the default bucket, of a charge is kept.
pub fn recipe(metric: &BillableMetric, charge: &Charge, filter: Option<&ChargeFilter>) -> Recipe {
    let model = filter.map_or(&charge.model, |filter| &filter.model);
    let shown: Vec<String> =
        charge.presentation_group_keys.iter().map(|key| key.value.clone()).collect();
    Recipe::new(metric, charge, model, pricing_keys(charge, filter), &shown)
}

/// The quantities of one bucket in current usage from what is kept of it, nothing kept being
/// nothing received; none if that does not tell what the request asks for, so that the events have
/// to.
///
/// A condition of the request can be told if its key splits the bucket and no filter of the charge,
/// whose own condition it would replace, names it.
pub fn measure(
    recipe: &Recipe,
    span: &Span<'_>,
    ask: &Ask<'_>,
    bucket: &BucketAsk<'_>,
    content: Option<&Content>,
) -> Option<Measured> {
    let Recipe::Kept(rules) = recipe else { return None };
    let conditions = conditions(ask, rules.split_keys())?;
    let terms = Terms {
        metric: ask.metric,
        prorated: ask.charge.prorated,
        pay_in_advance: ask.charge.pay_in_advance,
        current_usage: true,
        dynamic: bucket.model.kind() == ModelKind::Dynamic,
        frame: span.frame.clone(),
        fewer_days: 0,
        max_timestamp: None,
        group_keys: &bucket.group_keys,
        presentation_keys: &ask.presentation_keys,
        only: None,
        allowance: allowance(bucket.model),
        trigger: None,
        records: Records::Replay,
        carry: Carry::Stretches(span.stretches),
        bypass: false,
    };
    let content = content.map_or_else(|| Cow::Owned(Content::new(recipe)), Cow::Borrowed);
    let reading = content.read(rules, span, &terms, &conditions)?;
    let priced = |Told { figures, entries }: Told| {
        let group = figures.group.clone();
        (group, Quantity { entries, ..quantity(ask.metric.aggregation, figures, None) })
    };
    Some(Measured {
        groups: reading.groups.into_iter().map(priced).collect(),
        breakdowns: reading.breakdowns,
    })
}

/// The request's conditions by place of their key, if what is kept can tell them.
fn conditions<'a>(ask: &'a Ask<'_>, keys: &[String]) -> Option<Vec<Condition<'a>>> {
    let condition = |(key, texts): &'a (String, Vec<String>)| {
        let place = keys.iter().position(|own| own == key)?;
        let filters = ask.charge.filters.iter().flat_map(|filter| &filter.values);
        let replaces = filters.into_iter().any(|(name, _)| name == key);
        // Groups do not tell an empty text from a missing property.
        let empty = texts.iter().any(String::is_empty);
        (!replaces && !empty).then_some((place, texts.as_slice()))
    };
    ask.group.iter().map(condition).collect()
}

#[cfg(test)]
pub(super) mod lines;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod world;
