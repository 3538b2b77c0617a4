//! The worked figures of specification 6 and of pricing details.

use super::*;
use crate::core::catalog::Aggregation;
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::value::Value;

fn dec(text: &str) -> Decimal {
    Decimal::parse_literal(text).unwrap()
}

fn decs(texts: &[&str]) -> Vec<Decimal> {
    texts.iter().map(|text| dec(text)).collect()
}

fn listed(full: &[&str], prorated: &[&str]) -> Entries {
    Entries::Listed { full: decs(full), prorated: decs(prorated) }
}

fn eur() -> Currency {
    Currency::of("EUR")
}

fn text(value: &str) -> Value {
    if value.is_empty() { Value::Null } else { Value::Text(value.to_owned()) }
}

fn properties(members: &[(&str, Value)]) -> Value {
    Value::Object(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// A table of ranges: from, to (empty: open), price, flat amount.
fn table(kind: ModelKind, ranges: &[[&str; 4]]) -> Model {
    let price = if kind == ModelKind::GraduatedPercentage { "rate" } else { "per_unit_amount" };
    let bound = |literal: &str| match literal {
        "" => Value::Null,
        literal => Value::Number(literal.to_owned()),
    };
    let ranges = ranges.iter().map(|[from, to, amount, flat]| {
        properties(&[
            ("from_value", bound(from)),
            ("to_value", bound(to)),
            (price, text(amount)),
            ("flat_amount", text(flat)),
        ])
    });
    let list = Value::List(ranges.collect());
    Model::from_properties(kind, &properties(&[(&format!("{}_ranges", kind.name()), list)]))
}

/// A percentage: rate, fixed amount, free events, free units, minimum, maximum.
fn percentage(members: [&str; 6]) -> Model {
    let [rate, fixed, free_events, free_units, min, max] = members;
    let free_events = if free_events.is_empty() { "0" } else { free_events };
    Model::from_properties(
        ModelKind::Percentage,
        &properties(&[
            ("rate", text(rate)),
            ("fixed_amount", text(fixed)),
            ("free_units_per_events", Value::Number(free_events.to_owned())),
            ("free_units_per_total_aggregation", text(free_units)),
            ("per_transaction_min_amount", text(min)),
            ("per_transaction_max_amount", Value::Text(max.to_owned())),
        ]),
    )
}

fn sum(units: &str) -> Quantity {
    Quantity::new(Aggregation::Sum, dec(units))
}

fn amount(model: &Model, units: &str) -> Decimal {
    model.amount(&sum(units), false, eur())
}

/// The texts of an explanation, lists flattened, in order.
fn texts(details: &Value) -> Vec<String> {
    match details {
        Value::Null => vec!["null".to_owned()],
        Value::Bool(value) => vec![value.to_string()],
        Value::Number(text) | Value::Text(text) => vec![text.clone()],
        Value::List(list) => list.iter().flat_map(texts).collect(),
        Value::Object(members) => members.iter().flat_map(|(_, value)| texts(value)).collect(),
    }
}

#[test]
fn models_have_names() {
    for kind in ["standard", "graduated", "package", "percentage", "volume", "dynamic"] {
        assert_eq!(ModelKind::from_name(kind).unwrap().name(), kind);
    }
    assert_eq!(ModelKind::from_name("custom"), None);
    assert_eq!(table(ModelKind::GraduatedPercentage, &[]).kind().name(), "graduated_percentage");
}

#[test]
fn what_a_stored_charge_lacks_costs_nothing() {
    for kind in [
        ModelKind::Standard,
        ModelKind::Graduated,
        ModelKind::Package,
        ModelKind::Percentage,
        ModelKind::Volume,
        ModelKind::GraduatedPercentage,
        ModelKind::Dynamic,
    ] {
        let model = Model::from_properties(kind, &Value::Null);
        for units in ["-3", "0", "12.5"] {
            for prorated in [false, true] {
                let priced = model.price(&sum(units), prorated, eur());
                assert!(priced.amount.is_zero() && priced.unit_amount.is_zero(), "{kind:?}");
            }
        }
    }
}

#[test]
fn graduated_tiers_are_filled_in_order() {
    let steps = [["0", "10", "2", "1"], ["11", "20", "1.5", "3"], ["21", "", "1", "0"]];
    let touching = [["0", "10", "2", "1"], ["10", "20", "1.5", "3"], ["20", "", "1", "0"]];
    for (units, expected) in [
        ("0", "1"),
        ("5", "11"),
        ("10", "21"),
        ("10.5", "24.75"),
        ("11", "25.5"),
        ("20", "39"),
        ("25", "44"),
    ] {
        for ranges in [&steps, &touching] {
            let model = table(ModelKind::Graduated, ranges);
            assert_eq!(amount(&model, units), dec(expected), "{units} {ranges:?}");
        }
    }
    let mixed = [["0", "10", "2", "1"], ["10", "20", "1.5", "3"], ["21", "", "1", "0"]];
    let mixed = table(ModelKind::Graduated, &mixed);
    assert_eq!(amount(&mixed, "11"), dec("27"));
    assert_eq!(amount(&mixed, "25"), dec("45.5"));
}

#[test]
fn graduated_prices_explain_themselves() {
    let model = table(
        ModelKind::Graduated,
        &[["0", "3", "4", "1.5"], ["4", "8", "2.5", "0"], ["9", "", "1", "7"]],
    );
    let priced = model.price(&sum("6.5"), false, eur());
    assert_eq!(priced.amount, dec("22.25"));
    assert_eq!(priced.unit_amount.to_string(), "3.4230769230769230769230769230769");
    let first = ["0", "3", "1.5", "3.0", "4.0", "12.0", "13.5"];
    let second = ["4", "8", "0.0", "3.5", "2.5", "8.75", "8.75"];
    assert_eq!(texts(&priced.details), [first, second].concat());
    let unused = model.price(&sum("0"), false, eur());
    assert_eq!((unused.amount, unused.unit_amount), (dec("1.5"), Decimal::ZERO));
    assert_eq!(texts(&unused.details), ["0", "3", "1.5", "0.0", "0.0", "0.0", "1.5"]);
}

#[test]
fn graduated_percentages_count_shared_bounds_twice() {
    let model =
        table(ModelKind::GraduatedPercentage, &[["0", "100", "5", "1"], ["101", "", "2", "10"]]);
    for (units, expected) in [("50", "3.5"), ("100", "6"), ("100.5", "16.01"), ("150", "17")] {
        assert_eq!(amount(&model, units), dec(expected), "{units}");
    }
    let touching =
        table(ModelKind::GraduatedPercentage, &[["0", "100", "5", "1"], ["100", "", "2", "10"]]);
    assert_eq!(amount(&touching, "150"), dec("17.02"));

    let model =
        table(ModelKind::GraduatedPercentage, &[["0", "50", "4", "2"], ["51", "", "1.5", "0"]]);
    let priced = model.price(&sum("60"), false, eur());
    assert_eq!(priced.amount, dec("4.15"));
    assert_eq!(priced.unit_amount.to_string(), "0.069166666666666666666666666666667");
    let first = ["0", "50", "2.0", "4.0", "50.0", "2.0", "4.0"];
    let second = ["51", "null", "0.0", "1.5", "10.0", "0.15", "0.15"];
    assert_eq!(texts(&priced.details), [first, second].concat());
}

#[test]
fn bounds_with_a_fraction_are_subtracted_as_doubles() {
    let ranges = [["1.7", "8.6", "1", "0"], ["8.6", "", "1", "0"]];
    let model = table(ModelKind::GraduatedPercentage, &ranges);
    let priced = model.price(&sum("9"), false, eur());
    assert_eq!(texts(&priced.details)[4], "7.899999999999999");
    assert_eq!(texts(&priced.details)[11], "1.4");
}

#[test]
fn packages_are_opened_by_the_first_unit() {
    let package = |amount: &str, free: &str, size: &str| {
        let number = |text: &str| Value::Number(text.to_owned());
        let members = [
            ("amount", text(amount)),
            ("free_units", number(free)),
            ("package_size", number(size)),
        ];
        Model::from_properties(ModelKind::Package, &properties(&members))
    };
    let model = package("5", "10", "10");
    for (units, expected) in
        [("-4", "0"), ("10", "0"), ("10.1", "5"), ("20", "5"), ("20.5", "10"), ("21", "10")]
    {
        assert_eq!(amount(&model, units), dec(expected), "{units}");
    }
    let model = package("7.5", "3", "4");
    let priced = model.price(&sum("10"), false, eur());
    assert_eq!(priced.amount, dec("15"));
    assert_eq!(priced.unit_amount.to_string(), "2.1428571428571428571428571428571");
    assert_eq!(texts(&priced.details), ["3.0", "7.0", "4", "7.5"]);
    let priced = model.price(&sum("2"), false, eur());
    assert_eq!((priced.amount, priced.unit_amount), (Decimal::ZERO, Decimal::ZERO));
    assert_eq!(texts(&priced.details), ["3.0", "0.0", "4", "7.5"]);
    assert_eq!(texts(&model.price(&sum("0"), false, eur()).details), ["0.0", "0.0", "0", "0.0"]);
    assert_eq!(amount(&package("5", "0", "0"), "3"), dec("15"), "a size of 0 is taken as 1");
}

#[test]
fn volume_prices_all_units_alike() {
    let model = table(
        ModelKind::Volume,
        &[["201", "", "0.5", "50"], ["0", "100", "2", "10"], ["101", "200", "1", ""]],
    );
    for (units, expected) in
        [("0", "10"), ("100", "210"), ("100.5", "100.5"), ("101", "101"), ("201", "150.5")]
    {
        assert_eq!(amount(&model, units), dec(expected), "{units}");
    }
    let mut prorated = sum("75.5");
    prorated.full_units = Some(dec("150"));
    assert_eq!(model.amount(&prorated, true, eur()), dec("75.5"));
    let holes = table(ModelKind::Volume, &[["0", "10", "1", ""], ["12", "20", "2", ""]]);
    assert_eq!(amount(&holes, "10.5"), dec("21"), "a hole belongs to the next range");
    assert_eq!(amount(&holes, "-1"), dec("-1"), "negative units belong to the first range");
    assert_eq!(amount(&holes, "30"), dec("60"), "units beyond the last range belong to it");

    let model = table(ModelKind::Volume, &[["0", "10", "1.2", "0"], ["11", "", "0.9", "3"]]);
    let mut quantity = sum("7.5");
    quantity.full_units = Some(dec("12"));
    let priced = model.price(&quantity, true, eur());
    assert_eq!((priced.amount, priced.unit_amount), (dec("9.75"), dec("0.8125")));
    assert_eq!(texts(&priced.details), ["3.0", "0.5625", "6.75"]);
}

#[test]
fn the_average_of_a_count_is_a_quotient_of_doubles() {
    let model = table(ModelKind::Volume, &[["0", "", "0.1", "0"]]);
    assert_eq!(texts(&model.price(&sum("3"), false, eur()).details)[1], "0.1");
    let count = Quantity::new(Aggregation::Count, dec("3"));
    assert_eq!(texts(&model.price(&count, false, eur()).details)[1], "0.09999999999999999");
    let none = Quantity::new(Aggregation::Count, Decimal::ZERO);
    assert_eq!(texts(&model.price(&none, false, eur()).details)[1], "0.0");
}

#[test]
fn percentages_have_free_units_and_free_events() {
    // Allowances, running totals, units, number of events, amount at rate 1 and fixed amount 5.
    for (free_events, free_units, totals, units, count, expected) in [
        ("3", "", &["10", "20", "30"][..], "40", "4", "5.10"),
        ("", "15", &["4", "8", "12", "16"], "26", "5", "10.11"),
        ("3", "15", &["10", "20"], "20", "2", "5.05"),
        ("2", "100", &["50", "110"], "180", "3", "10.80"),
        ("", "15", &["15", "25"], "25", "2", "10.10"),
        ("", "", &[], "100", "2", "11"),
        ("2", "", &["4", "9"], "9", "2", "0"),
        ("99999999999999999999", "", &["10", "30"], "30", "2", "0"),
    ] {
        let model = percentage(["1", "5", free_events, free_units, "", ""]);
        let mut quantity = sum(units);
        quantity.count = dec(count);
        quantity.running_totals = RunningTotals::Listed(decs(totals));
        let found = model.amount(&quantity, false, eur());
        assert_eq!(found, dec(expected), "{free_events} {free_units} {totals:?}");
    }
}

#[test]
fn bounds_apply_to_every_event() {
    for (members, events, expected) in [
        (["1", "0.5", "", "", "1", "5"], &["100", "1000", "5"][..], "7.5"),
        (["10", "", "1", "100", "2", ""], &["50", "60", "100"], "12"),
        (["1", "", "", "", "3", "2"], &["100"], "3"),
        (["1", "", "", "", "0", ""], &["-100"], "0"),
        (["1", "", "", "", "", "2"], &["-100"], "-1"),
        (["1", "", "", "", "1", ""], &[], "0"),
    ] {
        let mut quantity = sum("1000");
        quantity.entries = listed(events, &[]);
        let model = percentage(members);
        assert!(model.reads_events(false));
        assert_eq!(model.amount(&quantity, false, eur()), dec(expected), "{members:?}");
    }
}

#[test]
fn percentages_explain_themselves() {
    let mut quantity = sum("90");
    quantity.count = dec("5");
    quantity.running_totals = RunningTotals::Listed(decs(&["20", "50"]));
    quantity.entries = listed(&["20", "30", "10", "15", "15"], &[]);
    let common = ["90.0", "30.0", "1", "60.0", "2.0", "1.2", "4", "0.5", "2.0"];
    for (min, max, amount, unit_amount, adjustment) in [
        ("", "", "3.2", "0.035555555555555555555555555555556", "0.0"),
        ("0.7", "0.75", "2.95", "0.032777777777777777777777777777778", "-0.25"),
    ] {
        let model = percentage(["2", "0.5", "2", "30", min, max]);
        let priced = model.price(&quantity, false, eur());
        assert_eq!(priced.amount, dec(amount));
        assert_eq!(priced.unit_amount.to_string(), unit_amount);
        assert_eq!(texts(&priced.details), [&common[..], &[adjustment]].concat());
    }
    quantity.metric = Aggregation::UniqueCount;
    let priced = percentage(["2", "0.5", "2", "30", "", ""]).price(&quantity, false, eur());
    assert_eq!(texts(&priced.details)[2], "1.0", "the count of a unique count is a decimal");
}

#[test]
fn events_of_dynamic_charges_bring_their_price() {
    let mut quantity = sum("4");
    quantity.precise_cents = dec("731.25");
    let priced = Model::Dynamic.price(&quantity, false, eur());
    assert_eq!((priced.amount, priced.unit_amount), (dec("7.3125"), dec("1.828125")));
    quantity.units = Decimal::ZERO;
    assert_eq!(Model::Dynamic.amount(&quantity, false, eur()), Decimal::ZERO);
}

#[test]
fn unit_prices_are_taken_over_full_units() {
    let members = properties(&[("amount", text("0.42"))]);
    let model = Model::from_properties(ModelKind::Standard, &members);
    let mut quantity = sum("10");
    quantity.full_units = Some(dec("25"));
    let priced = model.price(&quantity, false, eur());
    assert_eq!((priced.amount, priced.unit_amount), (dec("4.2"), dec("0.168")));
}

#[test]
fn prorated_tiers_follow_the_walk() {
    let ranges = [["0", "4", "6", "10"], ["5", "9", "3", "20"], ["10", "", "1", "0"]];
    let model = table(ModelKind::Graduated, &ranges);
    assert!(model.reads_events(true) && !model.reads_events(false));
    for (full, prorated, expected) in [
        (&["6"][..], &["3"][..], "45"),
        (&["4", "1.5"], &["2", "0.6"], "43.8"),
        (&["6", "5", "-3"], &["3", "1", "-0.4"], "46.53333333333333333333333333333334"),
        (&["12", "-4"], &["8", "-1"], "56.4999999999999999999999999999999"),
        (&["2", "-3"], &["1", "-1"], "0"),
        (&["0"], &["0.5"], "13"),
    ] {
        let mut quantity = sum("1");
        quantity.entries = listed(full, prorated);
        let priced = model.price(&quantity, true, eur());
        assert_eq!(priced.amount, dec(expected), "{full:?}");
        let over: Decimal = decs(full).iter().sum();
        assert_eq!(priced.unit_amount, priced.amount.quo(&over).unwrap_or_default());
        assert!(texts(&priced.details).is_empty());
    }
    assert_eq!(model.amount(&sum("0"), true, eur()), dec("10"), "nothing used: the first flat fee");

    let ranges = [["0", "5", "10", "100"], ["6", "15", "5", "50"], ["16", "", "2", "0"]];
    let model = table(ModelKind::Graduated, &ranges);
    let mut quantity = sum("75");
    quantity.entries = listed(&["75"], &["75"]);
    assert_eq!(model.amount(&quantity, true, eur()), dec("370"));
}

#[test]
fn a_spill_between_fractional_bounds_comes_to_rest() {
    let ranges = [["0", "0.4", "1", "0"], ["0.4", "0.8", "2", "0"], ["0.8", "", "3", "0"]];
    let model = table(ModelKind::Graduated, &ranges);
    for events in [&["0.5", "0.7"][..], &["0.4", "-0.1", "0.9"], &["7", "-6.5", "0.3"]] {
        let mut quantity = sum("1");
        quantity.entries = listed(events, events);
        assert!(model.amount(&quantity, true, eur()).is_positive(), "{events:?}");
    }
}

#[test]
fn one_event_alone_has_a_price() {
    let model = percentage(["4", "0.3", "3", "100", "", "2"]);
    for (units, shown, expected) in [("60", "60", "2"), ("10", "10", "0.7"), ("-1", "0", "0")] {
        let estimate = model.estimate(&dec(units)).unwrap();
        assert_eq!((estimate.units, estimate.amount), (dec(shown), dec(expected)));
    }
    assert_eq!(model.estimate(&Decimal::ZERO).unwrap().amount, dec("0.3"));
    assert_eq!(Model::Dynamic.estimate(&Decimal::ONE), None);
}

#[test]
fn a_what_if_price_has_no_events() {
    let model = percentage(["2", "5", "1", "10", "3", ""]);
    assert_eq!(model.price_units(dec("100"), eur()).amount, dec("2"));
    let tiers = table(ModelKind::Graduated, &[["0", "10", "1", "2"], ["11", "", "3", ""]]);
    assert_eq!(tiers.price_units(dec("12"), eur()).amount, dec("18"));
}
