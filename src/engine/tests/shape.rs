//! Shapes and the cells that are folded under them.

use super::{
    GROUPS_MAX, LIMITS, Sample, WEEK, at, charge, compiled, frame, metrics, plan, properties, scan,
};
use crate::core::catalog::{Aggregation, Charge};
use crate::core::instant::Instant;
use crate::core::matching::Bucket;
use crate::core::period::Window;
use crate::engine::frame::{distance, floor};
use crate::engine::totals::{Cells, Content};

const ALWAYS: Window = Window { from: Instant(0), to: Instant(i64::MAX) };

fn event(code: &'static str, value: i64, region: u8) -> Sample {
    Sample {
        code,
        timestamp: Instant(WEEK),
        position: at(0, 0, 0),
        transaction: String::new(),
        properties: properties(value, region),
    }
}

fn sum(cells: &Cells, charge: u16, bucket: Bucket) -> Option<String> {
    match cells.get(charge, bucket)? {
        Content::Whole(totals) => Some(totals.sum.to_string()),
        _ => None,
    }
}

#[test]
fn an_event_feeds_every_charge_on_its_metric_in_one_bucket() {
    let events = [event("bytes", 2, 0), event("bytes", 3, 1), event("calls", 9, 0)];
    let cells = scan(&frame(), ALWAYS, &events);
    assert_eq!(sum(&cells, 0, Bucket::Default).as_deref(), Some("0"), "a count adds nothing up");
    assert_eq!(sum(&cells, 1, Bucket::Filter(0)).as_deref(), Some("2"));
    assert_eq!(sum(&cells, 1, Bucket::Default).as_deref(), Some("3"));
    let Some(Content::Groups(groups)) = cells.get(2, Bucket::Default) else { panic!("no groups") };
    assert_eq!(groups.len(), 2);
}

#[test]
fn too_many_groups_are_left_to_a_scan_however_they_come_together() {
    let regions = |range: std::ops::Range<u8>| range.map(|region| event("bytes", 1, region));
    let many = u8::try_from(GROUPS_MAX).unwrap() + 1;
    let all: Vec<Sample> = regions(0..many).collect();
    let folded = scan(&frame(), ALWAYS, &all);
    assert_eq!(folded.get(2, Bucket::Default), Some(&Content::TooManyGroups));
    for cut in 0..=many {
        let mut first = scan(&frame(), ALWAYS, &all[..usize::from(cut)]);
        first.merge(scan(&frame(), ALWAYS, &all[usize::from(cut)..]), &LIMITS);
        assert_eq!(first, folded, "cut at {cut}");
    }
    let kept: Vec<Sample> = regions(0..many - 1).collect();
    let kept = scan(&frame(), ALWAYS, &kept);
    assert!(matches!(kept.get(2, Bucket::Default), Some(Content::Groups(_))));
}

#[test]
fn the_digest_is_of_what_decides_totals_and_of_nothing_else() {
    let digest = |change: &dyn Fn(&mut Charge)| {
        let mut plan = plan();
        change(&mut plan.charges[2]);
        compiled(&plan, &metrics()).digest
    };
    let same = digest(&|_| ());
    assert_eq!(digest(&|charge| charge.invoice_display_name = Some("n".to_owned())), same);
    assert_eq!(digest(&|charge| charge.min_amount_cents = 5), same);
    assert_ne!(digest(&|charge| charge.pricing_group_keys.clear()), same);
    assert_ne!(digest(&|charge| charge.pay_in_advance = true), same);
    assert_ne!(digest(&|charge| charge.filters.push(super::filter(11, "r1"))), same);
    let mut other = metrics();
    other[1].field_name = Some("region".to_owned());
    assert_ne!(compiled(&plan(), &other).digest, same);
}

#[test]
fn only_codes_that_are_kept_are_folded() {
    let mut metrics = metrics();
    metrics[0].aggregation = Aggregation::Max;
    metrics[0].field_name = Some("value".to_owned());
    let mut plan = plan();
    plan.charges.push(charge(9, 77));
    let shape = compiled(&plan, &metrics);
    assert!(shape.folds("bytes"));
    assert!(!shape.folds("calls"), "a maximum is scanned");
    assert!(!shape.folds("unheard_of"));
    assert!(shape.kept(0, Bucket::Default).is_some_and(|kept| kept.fold.is_none()));
    assert!(shape.kept(1, Bucket::Filter(0)).is_some_and(|kept| kept.fold.is_some()));
    assert!(shape.kept(3, Bucket::Default).is_none(), "the metric is not known");
}

#[test]
fn distance_is_zero_inside_and_grows_outside() {
    let window = Window { from: Instant(10_500), to: Instant(20_000) };
    assert_eq!(floor(window), Instant(10_000));
    let distances = [10_499, 10_500, 20_000, 20_007].map(|at| distance(window, Instant(at)));
    assert_eq!(distances, [1, 0, 0, 7]);
    assert_eq!(distance(window, Instant::MIN), i64::MAX);
    assert_eq!(distance(window, Instant::MAX), i64::MAX - 20_000);
}
