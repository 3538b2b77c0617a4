//! Shapes and the cells that are folded under them.

use super::{
    GROUPS_MAX, Sample, WEEK, at, charge, compiled, frame, metrics, plan, properties, scan,
};
use crate::core::aggregate::kept::Content;
use crate::core::catalog::Charge;
use crate::core::instant::Instant;
use crate::core::matching::Bucket;
use crate::core::period::Window;
use crate::engine::frame::{Spell, distance, floor};
use crate::engine::totals::Cells;

fn event(code: &'static str, value: i64, region: u8) -> Sample {
    Sample {
        code,
        timestamp: Instant(WEEK),
        position: at(0, 0, 0),
        transaction: String::new(),
        properties: properties(value, region),
    }
}

/// The window that holds all events here.
fn spell() -> Spell {
    frame().spell_holding(Instant(WEEK)).unwrap()
}

/// The one state of a bucket that is not split, as the same events give it elsewhere.
fn alike(cells: &Cells, one: (u16, Bucket), other: (u16, Bucket)) -> bool {
    cells.get(one.0, one.1) == cells.get(other.0, other.1)
}

#[test]
fn an_event_feeds_every_charge_on_its_metric_in_one_bucket() {
    let events = [event("bytes", 2, 0), event("bytes", 3, 1), event("calls", 9, 0)];
    let cells = scan(&frame(), spell(), &events);
    let filtered = scan(&frame(), spell(), &events[..1]);
    let rest = scan(&frame(), spell(), &events[1..2]);
    assert_eq!(cells.get(1, Bucket::Filter(0)), filtered.get(1, Bucket::Filter(0)));
    assert_eq!(cells.get(1, Bucket::Default), rest.get(1, Bucket::Default));
    assert!(!alike(&cells, (1, Bucket::Default), (1, Bucket::Filter(0))));
    assert!(cells.get(0, Bucket::Default).is_some());
    assert_eq!(filtered.get(0, Bucket::Default), None, "no call, no cell");
    assert!(cells.get(2, Bucket::Default).is_some());
}

#[test]
fn too_many_groups_are_left_to_a_scan() {
    let regions = |range: std::ops::Range<u8>| range.map(|region| event("bytes", 1, region));
    let many = u8::try_from(GROUPS_MAX).unwrap() + 1;
    let all: Vec<Sample> = regions(0..many).collect();
    let folded = scan(&frame(), spell(), &all);
    assert!(folded.get(2, Bucket::Default).is_some_and(Content::over_cap));
    assert!(!folded.get(1, Bucket::Default).is_some_and(Content::over_cap), "it is not split");
    let kept = scan(&frame(), spell(), &all[1..]);
    assert!(!kept.get(2, Bucket::Default).is_some_and(Content::over_cap));
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
fn codes_that_feed_nothing_are_not_folded() {
    let mut plan = plan();
    plan.charges.push(charge(9, 77));
    let shape = compiled(&plan, &metrics());
    assert!(shape.folds("bytes") && shape.folds("users"));
    assert!(!shape.folds("unheard_of"));
    assert!(shape.looks_back() && shape.looks_back_on("seats"));
    assert!(!shape.looks_back_on("bytes"));
    assert!(shape.recipe(1, Bucket::Filter(0)).is_some());
    assert!(shape.recipe(1, Bucket::Filter(1)).is_none(), "there is one filter");
    assert!(shape.recipe(5, Bucket::Default).is_none(), "the metric is not known");
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
