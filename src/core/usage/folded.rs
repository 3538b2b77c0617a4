//! Quantities read from running totals.

use std::collections::BTreeMap;

use super::ask::{Ask, BucketAsk, Measured, allowance, quantity};
use crate::core::aggregate::{Breakdown, Figures, Fold, Totals, breakdown_keys, round_units};
use crate::core::catalog::{Aggregation, BillableMetric, Charge};
use crate::core::matching::Group;
use crate::core::pricing::{Model, ModelKind};

/// How a bucket is kept as [`Totals`] per window, keyed by the values of
/// [`total_keys`](super::total_keys); none if its figures need more than totals.
///
/// Totals are enough for metrics that neither recur nor are prorated:
///
/// * count, under every price but percentages bounded per event;
/// * sum, unless billed in advance, under every price but percentages with bounds or free units.
pub fn fold(metric: &BillableMetric, charge: &Charge, model: &Model) -> Option<Fold> {
    if metric.recurring || charge.prorated || model.reads_events(false) {
        return None;
    }
    match metric.aggregation {
        Aggregation::Count => Some(Fold::Count),
        Aggregation::Sum if !charge.pay_in_advance => {
            let allowance = allowance(model);
            let field = metric.field_name.as_deref().unwrap_or_default();
            let gives_nothing = allowance.events == 0 && allowance.total.is_zero();
            gives_nothing.then(|| Fold::Sum(field.into()))
        }
        _ => None,
    }
}

/// The quantities of one bucket from its totals; none if the request asks for something that the
/// totals cannot tell, so that the events have to.
///
/// `keys` are those of the totals' groups. A condition of the request can be read off the totals if
/// its key is among them and no filter of the charge, whose own condition it would replace, names
/// it.
pub fn measure<'t>(
    ask: &Ask<'_>,
    bucket: &BucketAsk<'_>,
    fold: &Fold,
    keys: &[String],
    totals: impl IntoIterator<Item = (&'t Group, &'t Totals)>,
) -> Option<Measured> {
    let place = |key: &String| keys.iter().position(|own| own == key);
    let places = |wanted: &[String]| wanted.iter().map(place).collect::<Option<Vec<usize>>>();
    let group_places = places(&bucket.group_keys)?;
    let shown_keys = breakdown_keys(&bucket.group_keys, &ask.presentation_keys);
    let shown_places = places(&shown_keys)?;
    let conditions = conditions(ask, keys)?;

    let shows = !ask.presentation_keys.is_empty();
    let mut groups: BTreeMap<Group, Totals> = BTreeMap::new();
    let mut shown: BTreeMap<Group, Totals> = BTreeMap::new();
    for (group, totals) in totals.into_iter().filter(|(_, totals)| !totals.is_empty()) {
        let value = |place: usize| group.0.get(place).and_then(Option::as_deref);
        let agrees = |(place, texts): &(usize, &[String])| {
            value(*place).is_some_and(|value| texts.iter().any(|text| text == value))
        };
        if !conditions.iter().all(agrees) {
            continue;
        }
        groups.entry(group.project(&group_places)).or_default().merge(totals);
        if shows {
            shown.entry(group.project(&shown_places)).or_default().merge(totals);
        }
    }
    let grouped = !bucket.group_keys.is_empty();
    if groups.is_empty() && !grouped {
        groups.insert(Group::default(), Totals::default());
    }
    let dynamic = bucket.model.kind() == ModelKind::Dynamic;
    let priced = |(group, totals): (Group, Totals)| {
        let group = grouped.then_some(group);
        let figures = rounded(ask.metric, totals.figures(fold, dynamic, group.clone()));
        (group, quantity(ask.metric.aggregation, figures, None))
    };
    let breakdown =
        |(group, totals): (Group, Totals)| Breakdown { group, value: totals.units(fold) };
    Some(Measured {
        groups: groups.into_iter().map(priced).collect(),
        breakdowns: shown.into_iter().map(breakdown).collect(),
    })
}

/// The request's conditions by place of their key, if the totals can tell them.
fn conditions<'a>(ask: &'a Ask<'_>, keys: &[String]) -> Option<Vec<(usize, &'a [String])>> {
    let condition = |(key, texts): &'a (String, Vec<String>)| {
        let place = keys.iter().position(|own| own == key)?;
        let filters = ask.charge.filters.iter().flat_map(|filter| &filter.values);
        let replaces = filters.into_iter().any(|(name, _)| name == key);
        // Totals do not tell an empty text from a missing property.
        let empty = texts.iter().any(String::is_empty);
        (!replaces && !empty).then_some((place, texts.as_slice()))
    };
    ask.group.iter().map(condition).collect()
}

fn rounded(metric: &BillableMetric, mut figures: Figures) -> Figures {
    if metric.rounding.is_some() {
        figures.units = round_units(metric.rounding, &figures.units);
        let current = figures.current_units.as_ref();
        figures.current_units = current.map(|units| round_units(metric.rounding, units));
    }
    figures
}
