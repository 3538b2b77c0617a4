//! Quantities read from the events themselves.

use std::collections::HashSet;

use super::ask::{Ask, Measured, Quantities, allowance, quantity};
use super::error::UsageError;
use crate::core::aggregate::{
    Carry, Figures, Frame, Listed, Listing, Records, Stint, Terms, aggregate, list, stretches,
};
use crate::core::catalog::{Aggregation, BillableMetric, Charge};
use crate::core::event::Usage;
use crate::core::matching::{Bucket, Buckets, Matcher};
use crate::core::pricing::ModelKind;

/// How much one bucket may hold before a scan gives up (1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Most groups, or combinations of group and presentation values.
    pub groups_max: usize,
    /// Most distinct values of a unique count.
    pub unique_values_max: usize,
}

impl ScanLimits {
    /// No limit.
    pub const NONE: Self = Self { groups_max: usize::MAX, unique_values_max: usize::MAX };
}

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
    /// What in-advance charges remember.
    pub records: Records<'a>,
    /// Beyond these there is an error rather than a figure.
    pub limits: ScanLimits,
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
        sorted.iter().enumerate().map(measure).collect()
    }
}

impl<E, S> Scan<'_, E, S> {
    fn bucket(
        &self,
        ask: &Ask<'_>,
        at: usize,
        events: &[&Usage<'_>],
        carry: Carry<'_>,
    ) -> Result<Measured, UsageError> {
        let bucket = &ask.buckets[at];
        self.check_values(ask.metric, events)?;
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
            records: self.records,
            carry,
            bypass: false,
        };
        let result = aggregate(&terms, events);
        let combinations = result.breakdowns.as_ref().map_or(0, Vec::len);
        if result.groups.len().max(combinations) > self.limits.groups_max {
            return Err(UsageError::LimitExceeded("groups"));
        }
        let reads_events = bucket.model.reads_events(ask.charge.prorated);
        let listed = |figures: &Figures| -> Option<Listed> {
            let only = figures.group.as_ref().map(|group| (terms.group_keys, group));
            let terms = Terms { only, ..terms.clone() };
            reads_events.then(|| list(&terms, events, Listing::default())).flatten()
        };
        let groups = result.groups.into_iter().map(|figures| {
            let listed = listed(&figures);
            let group = figures.group.clone();
            (group, quantity(ask.metric.aggregation, figures, listed))
        });
        let groups = groups.collect();
        Ok(Measured { groups, breakdowns: result.breakdowns.unwrap_or_default() })
    }

    /// Fails if a unique count would have to tell too many values apart.
    fn check_values(
        &self,
        metric: &BillableMetric,
        events: &[&Usage<'_>],
    ) -> Result<(), UsageError> {
        let max = self.limits.unique_values_max;
        if metric.aggregation != Aggregation::UniqueCount || events.len() <= max {
            return Ok(());
        }
        let field = metric.field_name.as_deref().unwrap_or_default();
        let values: HashSet<Option<&str>> =
            events.iter().map(|event| event.properties.text(field)).collect();
        if values.len() > max { Err(UsageError::LimitExceeded("unique_values")) } else { Ok(()) }
    }
}
