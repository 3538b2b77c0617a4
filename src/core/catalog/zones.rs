//! Which zone was in force when, and the last window that another zone than today's has closed
//! (specification 3.6, billed windows 3).

use super::past::ZoneChange;
use super::{Plan, Subscription};
use crate::core::instant::Instant;
use crate::core::period::{Ending, LastWindow, Terms, Zone, closed_at};

/// Ends of a window under two zones lie less than this apart: 26 hours, as zones do (3.6).
const SAME_WINDOW_MICROS: u64 = 26 * 3_600 * 1_000_000;

/// The zone in which a customer's days begin (3.1): the customer's own, else the organisation's,
/// else UTC. A blank or unknown name is none.
pub fn zone_of(customer: Option<&str>, organization: Option<&str>) -> Zone {
    let named = [customer, organization].into_iter().flatten().find(|name| !name.trim().is_empty());
    named.and_then(Zone::parse).unwrap_or(Zone::UTC)
}

/// The zone that a customer or an organisation has and had.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// The zone's name as it stands.
    pub now: Option<&'a str>,
    /// Its changes by log time.
    pub changes: &'a [ZoneChange],
}

/// What decides the windows of a subscription on a plan (3.1).
pub fn terms_of(
    row: &Subscription,
    plan: &Plan,
    customer: Named<'_>,
    organization: Named<'_>,
) -> Terms {
    let mut terms = Terms {
        interval: plan.interval,
        bill_charges_monthly: plan.bill_charges_monthly,
        billing_time: row.billing_time,
        subscription_at: row.subscription_at,
        started_at: row.started_at,
        zone: zone_of(customer.now, organization.now),
        previous: None,
    };
    if !customer.changes.is_empty() || organization.changes.len() > 1 {
        let names = (customer.now, organization.now);
        let zones = timeline(customer.changes, organization.changes, names);
        terms.previous = last_window(&terms, &zones);
    }
    terms
}

/// The zones that a customer had, each with the log time from which on it was in force; the first
/// one was in force always. `now` is the customer's zone and the organisation's as they stand.
pub fn timeline(
    customer: &[ZoneChange],
    organization: &[ZoneChange],
    now: (Option<&str>, Option<&str>),
) -> Vec<(Instant, Zone)> {
    let mut turns: Vec<Instant> = customer.iter().chain(organization).map(|(at, _)| *at).collect();
    turns.sort_unstable();
    turns.dedup();
    let mut zones: Vec<(Instant, Zone)> = Vec::new();
    for at in turns {
        let zone = zone_of(named_at(customer, at, now.0), named_at(organization, at, now.1));
        if zones.last().is_none_or(|(_, last)| *last != zone) {
            zones.push((at, zone));
        }
    }
    zones
}

/// The name in force at a log time. Before the first version it is that version's; without
/// versions it is what stands.
fn named_at<'a>(changes: &'a [ZoneChange], at: Instant, now: Option<&'a str>) -> Option<&'a str> {
    let after = changes.partition_point(|(from, _)| *from <= at);
    match changes.get(after.saturating_sub(1)) {
        Some((_, zone)) => zone.as_deref(),
        None => now,
    }
}

/// The last window of a subscription that was closed in another zone than the one in force now;
/// what [`Terms::previous`] asks for. `terms` are those of now, without it.
///
/// A window is closed in the zone that was in force at the midnight after its end. A zone in which
/// no window was closed leaves no trace.
pub fn last_window(terms: &Terms, timeline: &[(Instant, Zone)]) -> Option<LastWindow> {
    let mut last: Option<LastWindow> = None;
    // The last one of another zone than `last`.
    let mut before: Option<LastWindow> = None;
    for stretch in timeline.windows(2) {
        let [(since, zone), (until, _)] = stretch else { continue };
        let previous = match &last {
            Some(last) if last.zone == *zone => before.clone(),
            last => last.clone(),
        };
        let terms = Terms { zone: zone.clone(), previous, ..terms.clone() };
        let Some(closed) = closed_at(&terms, Ending::Open, false, *until) else { continue };
        let to = closed.window.to;
        let is_new = last.as_ref().is_none_or(|last| {
            to > last.to && to.micros().abs_diff(last.to.micros()) >= SAME_WINDOW_MICROS
        });
        // The first zone was in force always, whenever its version came.
        let in_time = last.is_none() || closed.closes_at > *since;
        if closed.window.is_empty() || !is_new || !in_time {
            continue;
        }
        if last.as_ref().is_some_and(|last| last.zone != *zone) {
            before = last;
        }
        last = Some(LastWindow { zone: zone.clone(), to });
    }
    match last {
        Some(last) if last.zone == terms.zone => before,
        last => last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::{BillingTime, Interval};
    use crate::core::period::{containing, text};

    fn at(text: &str) -> Instant {
        text::parse(text).expect("an instant")
    }

    fn terms(zone: &str, started_at: &str) -> Terms {
        Terms {
            interval: Interval::Monthly,
            bill_charges_monthly: false,
            billing_time: BillingTime::Calendar,
            subscription_at: at(started_at),
            started_at: Some(at(started_at)),
            zone: Zone::parse(zone).expect("a zone"),
            previous: None,
        }
    }

    fn zones(changes: &[(&str, &str)]) -> Vec<(Instant, Zone)> {
        changes.iter().map(|(from, zone)| (at(from), Zone::parse(zone).expect("a zone"))).collect()
    }

    fn last(terms: &Terms, changes: &[(&str, &str)]) -> Option<(String, Instant)> {
        let last = last_window(terms, &zones(changes))?;
        Some((last.zone.name().to_owned(), last.to))
    }

    #[test]
    fn the_window_after_a_change_begins_where_the_last_one_ended() {
        // The last line of the table of worked windows.
        let mut terms = terms("America/Los_Angeles", "2024-08-10T00:00:00Z");
        let changes =
            [("2024-08-01T00:00:00Z", "UTC"), ("2025-06-10T12:00:00Z", "America/Los_Angeles")];
        terms.previous = last_window(&terms, &zones(&changes));
        let end = at("2025-05-31T23:59:59.999999Z");
        assert_eq!(terms.previous, Some(LastWindow { zone: Zone::UTC, to: end }));
        let window = containing(&terms, at("2025-06-15T00:00:00Z")).expect("a window");
        assert_eq!(window.from, at("2025-06-01T00:00:00Z"));
        assert_eq!(window.to, at("2025-07-01T06:59:59.999999Z"));
    }

    #[test]
    fn zones_in_which_nothing_was_closed_leave_no_trace() {
        let utc = ("2025-01-01T00:00:00Z", "UTC");
        let terms = terms("Asia/Tokyo", "2025-03-10T00:00:00Z");
        // The subscription's first period is still running.
        assert_eq!(last(&terms, &[utc, ("2025-03-20T00:00:00Z", "Asia/Tokyo")]), None);
        // A day in Berlin, in the middle of a period.
        let changes = [
            utc,
            ("2025-05-10T00:00:00Z", "Europe/Berlin"),
            ("2025-05-11T00:00:00Z", "Asia/Tokyo"),
        ];
        let end = at("2025-04-30T23:59:59.999999Z");
        assert_eq!(last(&terms, &changes), Some(("UTC".to_owned(), end)));
        // There and back.
        let changes = [
            ("2025-01-01T00:00:00Z", "Asia/Tokyo"),
            ("2025-05-10T00:00:00Z", "Europe/Berlin"),
            ("2025-05-11T00:00:00Z", "Asia/Tokyo"),
        ];
        assert_eq!(last(&terms, &changes), None);
        // The same again, after a change that did close windows.
        let changes = [
            utc,
            ("2025-05-10T00:00:00Z", "Asia/Tokyo"),
            ("2025-07-10T00:00:00Z", "Europe/Berlin"),
            ("2025-07-11T00:00:00Z", "Asia/Tokyo"),
        ];
        assert_eq!(last(&terms, &changes), Some(("UTC".to_owned(), end)));
    }

    #[test]
    fn one_period_is_not_closed_twice() {
        // Tokyo's May has ended when UTC comes into force, hours before UTC's own May ends.
        let changes = [
            ("2025-01-01T00:00:00Z", "Asia/Tokyo"),
            ("2025-05-31T16:00:00Z", "UTC"),
            ("2025-06-20T00:00:00Z", "Europe/Berlin"),
        ];
        let terms = terms("Europe/Berlin", "2025-03-10T00:00:00Z");
        let end = at("2025-05-31T14:59:59.999999Z");
        assert_eq!(last(&terms, &changes), Some(("Asia/Tokyo".to_owned(), end)));
    }

    #[test]
    fn a_customer_without_a_zone_follows_the_organisation() {
        let change = |at_text: &str, zone: Option<&str>| (at(at_text), zone.map(Box::from));
        let organization = [
            change("2025-01-01T00:00:00Z", Some("UTC")),
            change("2025-03-01T00:00:00Z", Some("Asia/Tokyo")),
            change("2025-04-01T00:00:00Z", Some("Europe/Berlin")),
        ];
        let customer = [
            change("2025-02-01T00:00:00Z", None),
            change("2025-03-15T00:00:00Z", Some("Europe/Berlin")),
        ];
        let found = timeline(&customer, &organization, (None, None));
        let expected = [
            ("2025-01-01T00:00:00Z", "UTC"),
            ("2025-03-01T00:00:00Z", "Asia/Tokyo"),
            ("2025-03-15T00:00:00Z", "Europe/Berlin"),
        ];
        assert_eq!(found, zones(&expected));
        assert_eq!(timeline(&[], &organization[..1], (Some("Asia/Tokyo"), None)).len(), 1);
    }
}
