//! Quantities read from the events themselves.

use super::ask::{Ask, Measured, Quantities, allowance, quantity};
use super::error::UsageError;
use crate::core::aggregate::{
    Carry, Figures, Frame, Listed, Listing, Records, Stint, Terms, aggregate, list, stretches,
};
use crate::core::catalog::{BillableMetric, Charge};
use crate::core::event::Usage;
use crate::core::matching::{Bucket, Buckets, Matcher};
use crate::core::pricing::ModelKind;

/// A scan over all events of one account.
pub struct Scan<'a, E, S> {
    /// The events of a metric in order of (timestamp, position), of all time.
    pub events: E,
    /// The subscription rows with this external id whose plan holds the charge, oldest first, the
    /// one that is read last. Only recurring weighted sums ask.
    pub stints: S,
    /// The charges window.
    pub frame: Frame<'a>,
    /// Whether this is current usage rather than a closed window.
    pub current_usage: bool,
    /// Days taken off the window's share of the period: 1 when an upgrade ended a closed window.
    pub fewer_days: i64,
}

impl<'a, E, S> Quantities for Scan<'a, E, S>
where
    E: Fn(&BillableMetric) -> Result<&'a [Usage<'a>], UsageError>,
    S: Fn(&Charge) -> Vec<Stint>,
{
    fn measure(&self, ask: &Ask<'_>) -> Result<Vec<Measured>, UsageError> {
        let charge = ask.charge;
        let matcher = Matcher::compile_asked(&charge.filters, &ask.metric.filters, &ask.group);
        let mut sorted: Vec<Vec<&Usage<'_>>> = vec![Vec::new(); ask.buckets.len()];
        let mut taken = Buckets::default();
        for event in (self.events)(ask.metric)? {
            matcher.classify(event.properties, &mut taken);
            for bucket in taken.taken() {
                let at = match bucket {
                    Bucket::Filter(at) => *at,
                    Bucket::Default => charge.filters.len(),
                };
                sorted[at].push(event);
            }
        }
        let stretches = if ask.metric.recurring {
            stretches(&(self.stints)(charge), self.frame.from)
        } else {
            Vec::new()
        };
        let measure = |(at, events): (usize, &Vec<&Usage<'_>>)| {
            self.bucket(ask, at, events, Carry::Stretches(&stretches))
        };
        Ok(sorted.iter().enumerate().map(measure).collect())
    }
}

impl<E, S> Scan<'_, E, S> {
    fn bucket(
        &self,
        ask: &Ask<'_>,
        at: usize,
        events: &[&Usage<'_>],
        carry: Carry<'_>,
    ) -> Measured {
        let bucket = &ask.buckets[at];
        let terms = Terms {
            metric: ask.metric,
            prorated: ask.charge.prorated,
            pay_in_advance: ask.charge.pay_in_advance,
            current_usage: self.current_usage,
            dynamic: bucket.model.kind() == ModelKind::Dynamic,
            frame: self.frame.clone(),
            fewer_days: self.fewer_days,
            max_timestamp: None,
            group_keys: &bucket.group_keys,
            presentation_keys: &ask.presentation_keys,
            only: None,
            allowance: allowance(bucket.model),
            trigger: None,
            records: Records::Replay,
            carry,
            bypass: false,
        };
        let result = aggregate(&terms, events);
        let reads_events = bucket.model.reads_events(ask.charge.prorated);
        let listed = |figures: &Figures| -> Option<Listed> {
            let only = figures.group.as_ref().map(|group| (terms.group_keys, group));
            let terms = Terms { only, ..terms.clone() };
            reads_events.then(|| list(&terms, events, Listing::default())).flatten()
        };
        let groups = result.groups.into_iter().map(|figures| {
            let listed = listed(&figures);
            let group = figures.group.clone();
            (group, quantity(ask.metric.aggregation, figures, listed, &terms.allowance))
        });
        Measured { groups: groups.collect(), breakdowns: result.breakdowns.unwrap_or_default() }
    }
}
