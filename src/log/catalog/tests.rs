//! Round trips, and documents of other versions.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::core::catalog::record::{Body, Coded, EntityId, EntityKey};
use crate::core::catalog::{
    Aggregation, ApiKey, BillableMetric, BillingTime, Charge, ChargeFilter, Customer, Echo, Flag,
    Interval, LifetimeUsage, MetricFilter, Organization, Plan, PresentationKey, PricingUnit,
    Rounding, RoundingMode, Status, Subscription, Tax,
};
use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::value::Value;

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn instant() -> impl Strategy<Value = Instant> {
    any::<i64>().prop_map(Instant)
}

/// Any text, JSON's own characters and what lies beyond the basic plane included.
fn text() -> impl Strategy<Value = String> {
    "\\PC{0,6}|[\"\\\\\n\u{2028}😀]{0,3}"
}

fn maybe_text() -> impl Strategy<Value = Option<String>> {
    option::of(text())
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn organization() -> impl Strategy<Value = Entity> {
    let permissions = option::of(vec((text(), text()), 0..2));
    let key = (any::<[u8; 32]>(), option::of(instant()), permissions)
        .prop_map(|(digest, expires_at, permissions)| ApiKey { digest, expires_at, permissions });
    let names = (text(), uuid(), text(), maybe_text(), maybe_text());
    let lists = (vec(uuid(), 0..3), vec(one_of(&Flag::ALL), 0..3), vec(key, 0..3));
    (names, lists).prop_map(|(names, (taxes, flags, api_keys))| {
        let (external_id, id, name, timezone, default_currency) = names;
        let organization = external_id.clone();
        let body = Organization {
            external_id,
            id,
            name,
            timezone,
            default_currency,
            taxes,
            flags,
            api_keys,
        };
        Entity { organization, body: Body::Organization(body) }
    })
}

fn tax() -> impl Strategy<Value = Body> {
    let rate = (0_i64..1_000_000).prop_map(|rate| Double::from_decimal(&decimal(rate)));
    (uuid(), text(), text(), rate, maybe_text(), instant()).prop_map(
        |(id, code, name, rate, description, created_at)| {
            Body::Tax(Tax { id, code, name, rate, description, created_at })
        },
    )
}

fn decimal(thousandths: i64) -> Decimal {
    Decimal::from_i128(thousandths.into(), 3)
}

fn metric() -> impl Strategy<Value = Body> {
    let aggregation = one_of(&[
        Aggregation::Count,
        Aggregation::Sum,
        Aggregation::Max,
        Aggregation::UniqueCount,
        Aggregation::WeightedSum,
        Aggregation::Latest,
    ]);
    let mode = one_of(&[RoundingMode::Round, RoundingMode::Ceil, RoundingMode::Floor]);
    let rounding = option::of((mode, any::<i32>()))
        .prop_map(|some| some.map(|(mode, precision)| Rounding { mode, precision }));
    let filter = (text(), vec(text(), 0..3)).prop_map(|(key, values)| MetricFilter { key, values });
    let texts = (text(), text(), maybe_text(), maybe_text(), maybe_text());
    (uuid(), texts, aggregation, rounding, any::<bool>(), vec(filter, 0..3), instant()).prop_map(
        |(id, texts, aggregation, rounding, recurring, filters, created_at)| {
            let (code, name, description, field_name, expression) = texts;
            Body::BillableMetric(BillableMetric {
                id,
                code,
                name,
                description,
                aggregation,
                field_name,
                recurring,
                rounding,
                expression,
                filters,
                created_at,
            })
        },
    )
}

/// Properties of a standard charge, beside members that nobody knows and numbers no double holds.
fn properties() -> impl Strategy<Value = Value> {
    let extra = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        one_of(&["1.50", "-0.10", "123456789012345678901234567890.5", "1e+400", "0"])
            .prop_map(|number| Value::Number(number.to_owned())),
        text().prop_map(Value::Text),
    ];
    let nested = extra.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::List),
            inner.prop_map(|value| Value::Object(vec![("inner".into(), value)])),
        ]
    });
    (0_u32..10_000, nested).prop_map(|(amount, extra)| {
        let amount = Value::Text(format!("{amount}.50"));
        Value::Object(vec![("amount".into(), amount), ("extra".into(), extra)])
    })
}

fn filter() -> impl Strategy<Value = ChargeFilter> {
    let values = vec((text(), vec(text(), 0..3)), 0..3);
    (uuid(), maybe_text(), values, properties(), vec(text(), 0..2), instant()).prop_map(
        |(id, invoice_display_name, values, properties, pricing_group_keys, created_at)| {
            ChargeFilter {
                id,
                invoice_display_name,
                values,
                model: model::read("standard", &properties).expect("a standard charge"),
                properties,
                pricing_group_keys,
                created_at,
            }
        },
    )
}

fn charge() -> impl Strategy<Value = Charge> {
    let presentation = (text(), any::<bool>())
        .prop_map(|(value, display_in_invoice)| PresentationKey { value, display_in_invoice });
    let unit = (text(), text(), 1_i64..1_000_000).prop_map(|(code, short_name, rate)| {
        PricingUnit { code, short_name, conversion_rate: decimal(rate) }
    });
    let names = (uuid(), text(), uuid(), maybe_text(), properties());
    let keys = (vec(text(), 0..3), vec(presentation, 0..3), option::of(unit));
    let lists = (vec(uuid(), 0..3), vec(filter(), 0..3));
    (names, keys, any::<[bool; 4]>(), any::<i64>(), lists, instant()).prop_map(
        |(names, keys, flags, min_amount_cents, (taxes, filters), created_at)| {
            let (id, code, metric, invoice_display_name, properties) = names;
            let (pricing_group_keys, presentation_group_keys, pricing_unit) = keys;
            let [pay_in_advance, prorated, invoiceable, accepts_target_wallet] = flags;
            Charge {
                id,
                code,
                metric,
                invoice_display_name,
                model: model::read("standard", &properties).expect("a standard charge"),
                properties,
                pricing_group_keys,
                presentation_group_keys,
                pay_in_advance,
                prorated,
                invoiceable,
                min_amount_cents,
                accepts_target_wallet,
                pricing_unit,
                taxes,
                filters,
                echo: echo(id),
                created_at,
            }
        },
    )
}

/// None or some, as the id has it.
fn echo(id: Uuid) -> Echo {
    let members = [
        ("description".to_owned(), Value::Text(id.to_string())),
        ("trial_period".to_owned(), Value::Number("1.50".to_owned())),
    ];
    members.into_iter().take(usize::from(id.as_bytes()[15] % 3)).collect()
}

fn plan() -> impl Strategy<Value = Body> {
    let interval = one_of(&[
        Interval::Weekly,
        Interval::Monthly,
        Interval::Quarterly,
        Interval::Semiannual,
        Interval::Yearly,
    ]);
    let names = (uuid(), text(), text(), text(), option::of(uuid()));
    let lists = (vec(charge(), 0..3), vec(uuid(), 0..3));
    (names, interval, any::<i64>(), any::<[bool; 2]>(), lists, instant()).prop_map(
        |(names, interval, amount_cents, flags, (charges, taxes), created_at)| {
            let (id, code, name, currency, parent) = names;
            let [pay_in_advance, bill_charges_monthly] = flags;
            Body::Plan(Plan {
                id,
                code,
                name,
                interval,
                amount_cents,
                currency,
                pay_in_advance,
                bill_charges_monthly,
                charges,
                taxes,
                parent,
                echo: echo(id),
                created_at,
            })
        },
    )
}

fn customer() -> impl Strategy<Value = Body> {
    let texts = (maybe_text(), maybe_text(), maybe_text());
    (uuid(), text(), texts, vec(uuid(), 0..3), instant()).prop_map(
        |(id, external_id, (name, timezone, currency), taxes, created_at)| {
            Body::Customer(Customer {
                id,
                external_id,
                name,
                timezone,
                currency,
                taxes,
                echo: echo(id),
                created_at,
            })
        },
    )
}

fn subscription() -> impl Strategy<Value = Body> {
    let time = one_of(&[BillingTime::Calendar, BillingTime::Anniversary]);
    let status = one_of(&[Status::Pending, Status::Active, Status::Terminated, Status::Canceled]);
    let names = (uuid(), text(), text(), uuid(), maybe_text(), option::of(uuid()));
    let some = || option::of(instant());
    (names, time, status, (instant(), some(), some(), some()), instant()).prop_map(
        |(names, billing_time, status, times, created_at)| {
            let (id, external_id, customer, plan, name, previous) = names;
            let (subscription_at, started_at, ending_at, terminated_at) = times;
            Body::Subscription(Subscription {
                id,
                external_id,
                customer,
                plan,
                name,
                billing_time,
                subscription_at,
                started_at,
                ending_at,
                terminated_at,
                status,
                previous,
                created_at,
            })
        },
    )
}

fn lifetime() -> impl Strategy<Value = Body> {
    (uuid(), text(), any::<i64>(), instant()).prop_map(
        |(id, external_id, historical_cents, created_at)| {
            Body::LifetimeUsage(LifetimeUsage { id, external_id, historical_cents, created_at })
        },
    )
}

fn entity() -> impl Strategy<Value = Entity> {
    let body = prop_oneof![tax(), metric(), plan(), customer(), subscription(), lifetime()];
    let other = (text(), body).prop_map(|(organization, body)| Entity { organization, body });
    prop_oneof![1 => organization(), 5 => other]
}

fn key() -> impl Strategy<Value = EntityKey> {
    let id = prop_oneof![
        Just(EntityId::Organization),
        uuid().prop_map(EntityId::Tax),
        uuid().prop_map(EntityId::BillableMetric),
        uuid().prop_map(EntityId::Plan),
        uuid().prop_map(EntityId::LifetimeUsage),
        text().prop_map(EntityId::Customer),
        (text(), uuid()).prop_map(|(external_id, id)| EntityId::Subscription { external_id, id }),
        (one_of(&[Coded::Tax, Coded::BillableMetric, Coded::Plan]), text())
            .prop_map(|(kind, code)| EntityId::Code(kind, code)),
    ];
    (text(), id).prop_map(|(organization, id)| EntityKey { organization, id })
}

fn record() -> impl Strategy<Value = Record> {
    let change =
        prop_oneof![3 => entity().prop_map(Change::Put), 1 => key().prop_map(Change::Delete)];
    let expects = vec((key(), option::of(any::<u64>())), 0..3);
    (vec(change, 0..4), expects).prop_map(|(changes, expects)| Record { changes, expects })
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(record in record()) {
        prop_assert_eq!(decode_record(&encode_record(&record)).unwrap(), record);
    }

    #[test]
    fn stored_entities_come_back_as_they_were(
        entity in entity(), version in any::<u64>(), log_time in instant(),
    ) {
        let stored = Stored { entity, version, log_time };
        prop_assert_eq!(decode_stored(&encode_stored(&stored)).unwrap(), stored);
    }

    #[test]
    fn arbitrary_bytes_are_an_error(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(decode_record(&bytes).is_err());
    }

    #[test]
    fn batches_keep_every_change_in_order(entities in vec(entity(), 0..20)) {
        let changes: Vec<_> = entities.into_iter().map(Change::Put).collect();
        let records = batches(changes.iter().cloned().map(|change| (change, Some(7))));
        let kept: Vec<_> = records.into_iter().flat_map(|record| record.changes).collect();
        prop_assert_eq!(kept, changes);
    }
}

fn customers(count: usize, name: &str) -> Vec<(Change, Option<u64>)> {
    let customer = |number: usize| Customer {
        id: Uuid::nil(),
        external_id: number.to_string(),
        name: Some(name.to_owned()),
        timezone: None,
        currency: None,
        taxes: vec![],
        echo: Echo::default(),
        created_at: Instant(0),
    };
    let body = |number| Body::Customer(customer(number));
    let entity = |number| Entity { organization: "acme".into(), body: body(number) };
    (0..count).map(|number| (Change::Put(entity(number)), None)).collect()
}

#[test]
fn records_are_bounded_by_count_and_by_bytes() {
    let sizes = |count, name: &str| -> Vec<usize> {
        let records = batches(customers(count, name));
        let bytes = records.iter().map(|record| encode_record(record).len());
        assert!(bytes.max() <= Some(RECORD_BYTES_MAX));
        records.iter().map(|record| record.changes.len()).collect()
    };
    assert_eq!(sizes(2_001, "x"), [1_000, 1_000, 1]);
    assert_eq!(sizes(3, &"x".repeat(RECORD_BYTES_MAX / 3)), [2, 1]);
    let alone = batches(customers(2, &"x".repeat(RECORD_BYTES_MAX)));
    assert_eq!(alone.len(), 2, "a change that is too large goes alone");
}

fn document(format: u32, revision: u32, extra: &str) -> String {
    let head = format!(r#""format":{format},"revision":{revision},"expects":[]"#);
    let body = format!(
        r#"{{"tax":{{"id":"00000000-0000-0000-0000-000000000001","code":"vat","name":"VAT",
        "rate":"20.0","description":null,"created_at":0{extra}}}}}"#
    );
    format!(r#"{{{head},"changes":[{{"put":{{"organization":"acme","body":{body}}}}}]}}"#)
}

#[test]
fn an_unknown_member_is_refused_in_a_known_revision_only() {
    let read = |text: String| decode_record(text.as_bytes());
    assert_eq!(read(document(FORMAT, REVISION, "")).unwrap().changes.len(), 1);
    let error = read(document(FORMAT, REVISION, r#","colour":1"#)).unwrap_err();
    assert_eq!(error.to_string(), "unknown member `changes[0].put.body.tax.colour`");
    assert!(read(document(FORMAT, REVISION + 1, r#","colour":1"#)).is_ok());
}

#[test]
fn another_format_is_named() {
    for text in [document(FORMAT + 1, 0, ""), r#"{"format":2,"other":"shape"}"#.to_owned()] {
        let error = decode_record(text.as_bytes()).unwrap_err();
        assert!(matches!(error, CodecError::Format { found } if found == FORMAT + 1));
    }
}

#[test]
fn a_name_that_means_nothing_is_refused() {
    let text = document(FORMAT, REVISION, "").replace("20.0", "twenty");
    let error = decode_record(text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "rate: `twenty` cannot be read");
}
