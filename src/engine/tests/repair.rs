//! Windows that met a late event are mended with the events after a saved prefix.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Sample, WEEK, at, charge, compiled, feed, folding, frame, metric, plan};
use crate::core::catalog::{Aggregation, BillableMetric, Charge, Plan};
use crate::core::instant::Instant;
use crate::core::pricing::{Model, ModelKind};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::value::Value;
use crate::engine::account::{Account, Folding, Installed, Known};
use crate::engine::frame::{Frame, Spell};
use crate::engine::ledger::AccountName;

/// The events begin with the week after this one.
const NOW: i64 = 50;

/// A count, a weighted sum, one that recurs and is split by region, and a prorated sum in tiers.
fn ordered_frame() -> Arc<Frame> {
    let recurring = |metric| BillableMetric { recurring: true, ..metric };
    let metrics = [
        metric(1, "calls", Aggregation::Count),
        metric(2, "calls", Aggregation::WeightedSum),
        recurring(metric(3, "calls", Aggregation::WeightedSum)),
        recurring(metric(4, "calls", Aggregation::Sum)),
    ];
    let range = |from: i64, to: Option<i64>| {
        let number = |bound: i64| Value::Number(bound.to_string());
        Value::Object(vec![
            ("from_value".to_owned(), number(from)),
            ("to_value".to_owned(), to.map_or(Value::Null, number)),
            ("per_unit_amount".to_owned(), Value::Text("2".to_owned())),
            ("flat_amount".to_owned(), Value::Text("1".to_owned())),
        ])
    };
    let ranges = Value::List(vec![range(0, Some(100)), range(101, None)]);
    let properties = Value::Object(vec![("graduated_ranges".to_owned(), ranges)]);
    let model = Model::from_properties(ModelKind::Graduated, &properties);
    let by_region = vec!["region".to_owned()];
    let charges = vec![
        charge(1, 1),
        charge(2, 2),
        Charge { pricing_group_keys: by_region, ..charge(3, 3) },
        Charge { prorated: true, model, ..charge(4, 4) },
    ];
    let shape = Arc::new(compiled(&Plan { charges, ..plan() }, &metrics));
    let Frame { terms, .. } = &*frame();
    let (digest, terms) = (shape.digest, terms.clone());
    Arc::new(Frame { digest, shape, terms, stints: Vec::new(), ingestion: None })
}

/// The event with this number, a second after the one before.
fn sample(number: i64) -> Sample {
    let mut properties = PropertiesBuf::default();
    properties.push("value", Kind::Number, &(number * 7 % 23 - 5).to_string());
    properties.push("region", Kind::Text, if number % 3 == 0 { "a" } else { "b" });
    let timestamp = Instant(NOW * WEEK + number * 1_000_000);
    Sample {
        code: "calls",
        timestamp,
        position: at(0, 0, number),
        transaction: "t".into(),
        properties,
    }
}

struct World {
    frame: Arc<Frame>,
    account: Account,
    folding: Folding,
    arrived: Vec<Sample>,
}

impl World {
    fn new() -> Self {
        let frame = ordered_frame();
        let name = AccountName { organization: "org", subscription: Some("sub") };
        let mut account = Account::new(name);
        account.reframe(Some(Arc::clone(&frame)), 1);
        Self { frame, account, folding: folding(), arrived: Vec::new() }
    }

    fn spell(&self) -> Spell {
        self.frame.spell_holding(Instant(NOW * WEEK)).unwrap()
    }

    fn arrive(&mut self, number: i64) {
        let event = sample(number);
        self.account.fold("calls", &event.usage(), &mut self.folding);
        self.arrived.push(event);
    }

    /// Mends the window while another event arrives. Returns how many events were read for it.
    fn mend(&mut self, meanwhile: Option<i64>) -> Option<usize> {
        let spell = self.spell();
        let draft = self.account.open_for_scan(&self.frame, spell)?;
        assert_eq!(self.account.known(&self.frame, spell.window), Known::Unknown);
        let (cells, read) = feed(&self.frame, spell, draft, &self.arrived);
        if let Some(number) = meanwhile {
            self.arrive(number);
        }
        let (generation, frame) = (self.account.generation, Arc::clone(&self.frame));
        let folding = &mut self.folding;
        let installed = self.account.install(&frame, generation, spell.window, cells, folding);
        assert_eq!(installed, Installed::Taken);
        Some(read)
    }

    /// What is kept is what the events give in order, marks included.
    fn judge(&self) {
        let spell = self.spell();
        let draft = crate::engine::draft::Draft::anew(&self.frame, spell);
        let (right, _) = feed(&self.frame, spell, draft, &self.arrived);
        let Known::Totals(totals) = self.account.known(&self.frame, spell.window) else {
            panic!("the window is not known");
        };
        assert_eq!(totals.cells, right);
    }
}

#[test]
fn a_repair_reads_what_lies_after_a_saved_prefix() {
    let mut world = World::new();
    let count = 60_000;
    let back = 1_500;
    (0..count).filter(|number| *number != count - back).for_each(|number| world.arrive(number));
    assert_eq!(world.mend(None), None, "nothing is late");
    world.arrive(count - back);
    let read = i64::try_from(world.mend(Some(count)).unwrap()).unwrap();
    // A third of the events is in one of the groups, whose marks therefore lie further apart.
    assert!(read > back && read <= 3 * 4 * back, "{read}");
    world.judge();
    // From the very first event on, all of the window is read.
    world.arrive(-1);
    assert_eq!(world.mend(None), Some(world.arrived.len()));
    world.judge();
}

#[test]
fn a_repair_that_does_not_take_place_leaves_the_window_as_it_was() {
    let mut world = World::new();
    (0..2_000).filter(|number| *number != 1_700).for_each(|number| world.arrive(number));
    world.arrive(1_700);
    let spell = world.spell();
    let draft = world.account.open_for_scan(&world.frame, spell).unwrap();
    let cells = draft.untouched().unwrap();
    world.arrive(2_000);
    let (generation, frame) = (world.account.generation, Arc::clone(&world.frame));
    let folding = &mut world.folding;
    world.account.install(&frame, generation, spell.window, cells, folding);
    assert_eq!(world.account.known(&world.frame, spell.window), Known::Unknown);
    assert!(world.mend(None).unwrap() < 2_000);
    world.judge();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_mended_window_is_one_in_order(
        delays in prop::collection::vec(
            prop_oneof![200 => 0_i64..20, 1 => 200_i64..2_000], 1..2_500,
        ),
    ) {
        let mut world = World::new();
        let mut arrivals: Vec<(i64, i64)> =
            (0..).zip(&delays).map(|(number, delay)| (number + delay, number)).collect();
        arrivals.sort_unstable();
        for some in arrivals.chunks(300) {
            let (last, others) = some.split_last().unwrap();
            for (_, number) in others {
                world.arrive(*number);
            }
            if world.mend(Some(last.1)).is_none() {
                world.arrive(last.1);
            }
            // What came meanwhile may be late in turn.
            world.mend(None);
            world.judge();
        }
    }
}
