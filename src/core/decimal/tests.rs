use std::hash::{DefaultHasher, Hash, Hasher};

use num_bigint::BigInt;
use proptest::prelude::*;

use super::Decimal;

fn dec(text: &str) -> Decimal {
    Decimal::parse_literal(text).unwrap()
}

fn hash(value: &Decimal) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Mantissa and scale as big integers: the slow and obvious arithmetic to compare with.
fn big(value: &Decimal) -> (BigInt, u32) {
    (value.mantissa_big().into_owned(), value.scale())
}

fn decimals() -> impl Strategy<Value = Decimal> {
    let mantissa = prop_oneof![
        any::<i64>().prop_map(BigInt::from),
        any::<i128>().prop_map(BigInt::from),
        Just(BigInt::from(i128::MAX)),
        Just(BigInt::from(i128::MIN)),
        (-20_i64..20).prop_map(BigInt::from),
        (any::<i128>(), any::<i128>()).prop_map(|(a, b)| BigInt::from(a) * BigInt::from(b)),
        (any::<i64>(), 0_u32..30).prop_map(|(a, n)| BigInt::from(a) * BigInt::from(10).pow(n)),
    ];
    (mantissa, prop_oneof![Just(0_u32), 0_u32..45])
        .prop_map(|(mantissa, scale)| Decimal::from_big(mantissa, scale))
}

proptest! {
    #[test]
    fn operations_are_those_of_fractions(a in decimals(), b in decimals()) {
        let ((m, s), (n, t)) = (big(&a), big(&b));
        let ten = BigInt::from(10);
        let (left, right) = (&m * ten.pow(t), &n * ten.pow(s));
        prop_assert_eq!(&a + &b, Decimal::from_big(&left + &right, s + t));
        prop_assert_eq!(&a - &b, Decimal::from_big(&left - &right, s + t));
        prop_assert_eq!(&a * &b, Decimal::from_big(m * n, s + t));
        prop_assert_eq!(a.cmp(&b), left.cmp(&right));
        prop_assert_eq!(a == b, left == right);
    }

    #[test]
    fn a_value_has_one_hash_and_one_text(a in decimals(), zeros in 0_u32..50) {
        let padded = Decimal::from_big(a.mantissa_big().as_ref() * BigInt::from(10).pow(zeros),
            a.scale() + zeros);
        prop_assert_eq!(&a, &padded);
        prop_assert_eq!(hash(&a), hash(&padded));
        prop_assert_eq!(a.decstr(), padded.decstr());
        prop_assert_eq!(a.digits(), padded.digits());
    }

    #[test]
    fn text_and_bytes_keep_value_and_scale(a in decimals()) {
        let read = dec(&a.to_string());
        prop_assert_eq!((&read, read.scale()), (&a, a.scale()));
        prop_assert_eq!(&dec(&a.decstr()), &a);
        let mut bytes = Vec::new();
        a.write_bytes(&mut bytes);
        bytes.push(9);
        let mut rest = &bytes[..];
        let read = Decimal::read_bytes(&mut rest).unwrap();
        prop_assert_eq!((&read, read.scale(), rest), (&a, a.scale(), &[9_u8][..]));
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Some(read) = Decimal::read_bytes(&mut &bytes[..]) {
            prop_assert!(read.cmp(&Decimal::ONE).is_le() || read > Decimal::ZERO);
        }
    }

    #[test]
    fn rounding_lands_on_the_nearest_step(a in decimals(), places in -50_i32..50) {
        let step = if places < 0 {
            Decimal::ONE.mul_pow10(places.unsigned_abs())
        } else {
            Decimal::ONE.div_pow10(places.unsigned_abs())
        };
        let (up, down) = (a.ceil(places), a.floor(places));
        prop_assert!(down <= a && a <= up && &up - &down <= step);
        prop_assert_eq!(up == down, a == down);
        let cut = if a.is_negative() { &up } else { &down };
        prop_assert_eq!(&a.trunc(places), cut);
        let round = a.round(places);
        let twice = (&a - &round).abs() * Decimal::from_i64(2);
        prop_assert!(round == up || round == down);
        prop_assert!(twice < step || (twice == step && round.abs() > a.abs()));
        for multiple in [up, down, round] {
            prop_assert_eq!(multiple.trunc(places), multiple);
        }
    }

    #[test]
    fn quotients_are_rounded_at_their_last_digit(a in decimals(), b in decimals()) {
        prop_assume!(!b.is_zero());
        let off = |q: &Decimal| (q * &b - &a).abs() * Decimal::from_i64(2);
        let q = a.pgdiv(&b).unwrap();
        prop_assert!(off(&q) <= b.abs().div_pow10(q.scale()));
        prop_assert!(q.scale() >= a.scale().max(b.scale()));
        let q = a.quo(&b).unwrap();
        if !a.is_zero() {
            let digits = i64::from(a.digits().max(b.digits()).max(16)) + 16;
            // One unit of the last significant digit, or more when the rounding carried over.
            let places = q.integer_digits() - digits;
            let unit = if places < 0 {
                Decimal::ONE.div_pow10(u32::try_from(-places).unwrap())
            } else {
                Decimal::ONE.mul_pow10(u32::try_from(places).unwrap())
            };
            prop_assert!(off(&q) <= b.abs() * unit);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+0-9._eEd ]{0,12}") {
        let read = [Decimal::parse_numeric(&text), Decimal::parse_literal(&text)];
        for value in read.into_iter().flatten() {
            prop_assert_eq!(Decimal::parse_leading(&text), Some(value));
        }
    }
}

#[test]
fn pgdiv_gives_the_figures_of_the_appendix() {
    for (a, b, expected) in [
        ("1", "3", "0.33333333333333333333"),
        ("10", "3", "3.3333333333333333"),
        ("10000", "3", "3333.3333333333333333"),
        ("31", "31", "1.00000000000000000000"),
        ("27", "31", "0.87096774193548387097"),
        ("29", "30", "0.96666666666666666667"),
        ("1", "365", "0.00273972602739726027"),
        ("0.0001", "7", "0.000014285714285714285714"),
        ("1.50", "7", "0.21428571428571428571"),
        ("5832000000.000000", "2678400", "2177.4193548387096774"),
        ("74666666061866.188800000000", "2678400", "27877339.479490064516"),
        ("-259200.000000", "2678400", "-0.09677419354838709677"),
    ] {
        let quotient = dec(a).pgdiv(&dec(b)).unwrap();
        assert_eq!(quotient.to_string(), expected, "{a} / {b}");
    }
    assert_eq!(dec("1").pgdiv(&dec("0.00")), None);
}

#[test]
fn quo_gives_the_figures_of_pricing_details() {
    for (a, b, expected) in [
        ("2", "3", "0.66666666666666666666666666666667"),
        ("100000", "7", "14285.714285714285714285714285714"),
        ("12345678901234567890", "7", "1763668414462081127.14285714285714286"),
        ("22.25", "6.5", "3.4230769230769230769230769230769"),
        ("6", "3", "2"),
        ("0", "3", "0"),
    ] {
        assert_eq!(dec(a).quo(&dec(b)).unwrap().to_string(), expected, "{a} / {b}");
    }
    assert_eq!(dec("1").quo(&Decimal::ZERO), None);
    for (value, digits) in [("1500", 4), ("0.0012", 2), ("10.5", 3), ("100.00", 3), ("0.0", 0)] {
        assert_eq!(dec(value).digits(), digits, "{value}");
    }
}

#[test]
fn decstr_has_one_decimal_at_least() {
    for (value, expected) in [
        ("0", "0.0"),
        ("-0.000", "0.0"),
        ("14", "14.0"),
        ("1234.50", "1234.5"),
        ("1e25", "10000000000000000000000000.0"),
        ("-0.0050", "-0.005"),
        ("100.00", "100.0"),
        ("1e-40", "0.0000000000000000000000000000000000000001"),
    ] {
        assert_eq!(dec(value).decstr(), expected);
    }
    assert_eq!(dec("1.50").to_string(), "1.50");
    assert_eq!(format!("{:?}", dec("-7")), "Decimal(-7)");
}

#[test]
fn numeric_properties_are_strict() {
    for text in ["1", "-1", "007", "1.50", "-0.0", "12345678901234567890123456789012345678901"] {
        assert!(Decimal::parse_numeric(text).is_some(), "{text}");
    }
    for text in ["", ".5", "5.", "+1", "1e3", " 1", "1 ", "1\n", "٣", "true", "-", "1.2.3", "--1"]
    {
        assert_eq!(Decimal::parse_numeric(text), None, "{text}");
    }
    assert_eq!(Decimal::parse_numeric("1.50").unwrap().scale(), 2);
}

#[test]
fn amounts_follow_their_grammar() {
    for (text, value) in [
        ("0", "0"),
        ("-0.0", "0"),
        ("007", "7"),
        ("+7", "7"),
        (" 7\n", "7"),
        ("7.", "7"),
        (".5", "0.5"),
        ("5e-1", "0.5"),
        ("1E+3", "1000"),
        ("1d3", "1000"),
        ("1_000", "1000"),
        ("12_", "12"),
        ("-0.01", "-0.01"),
        ("1.5_0e1_0", "15000000000"),
    ] {
        assert_eq!(Decimal::parse_amount(text), Some(dec(value)), "{text}");
    }
    for text in [
        "", " ", ".", "-", "7,5", "7 5", "--7", "- 7", "e1", "7e", "7e1.5", "0x7", "7f", "$7",
        "7%", "1__000", "_1", "1_.5", "1.5_", "1e_3", "NaN", "Infinity", "nan", "\u{a0}7", "12__",
        "1e1001", "+12_", "12_ ",
    ] {
        assert_eq!(Decimal::parse_amount(text), None, "{text}");
    }
    assert_eq!(Decimal::parse_amount("1e-1000").unwrap().scale(), 1000);
    assert_eq!(Decimal::parse_amount(&"9".repeat(1000)).unwrap().digits(), 1000);
    assert_eq!(Decimal::parse_amount(&"9".repeat(1001)), None);
}

#[test]
fn literals_and_leading_numbers_are_read() {
    for (text, plain) in [("1e3", "1000"), ("1.50", "1.50"), ("-0", "0"), ("1.5E-3", "0.0015")] {
        assert_eq!(dec(text).to_string(), plain);
    }
    for text in ["01", "+1", "1.", ".5", "1e", "1e400", "1e-400", "NaN", "", "0x1", "1 "] {
        assert_eq!(Decimal::parse_literal(text), None, "{text}");
    }
    assert_eq!(dec("0e999999999999999999999"), Decimal::ZERO);
    assert_eq!(Decimal::parse_literal("1e99999999999999999999999"), None);
    assert_eq!(Decimal::parse_literal(&"1".repeat(100_000)), None);
    for (text, value) in [("12.5x", "12.5"), (" -3e2e", "-300"), ("7e", "7"), ("1__2", "1")] {
        assert_eq!(Decimal::parse_leading(text), Some(dec(value)), "{text}");
    }
    for text in ["x", "", "-", ".", "e5", "Infinity"] {
        assert_eq!(Decimal::parse_leading(text), None, "{text}");
    }
}

#[test]
fn integers_come_out_only_when_they_are_integers() {
    assert_eq!(dec("12.00").to_i64(), Some(12));
    assert_eq!(dec("12.01").to_i64(), None);
    assert_eq!(dec("-12.99").trunc_i64(), Some(-12));
    assert_eq!(dec("9223372036854775808").to_i64(), None);
    assert_eq!(dec("9223372036854775808").to_i128(), Some(9_223_372_036_854_775_808));
    assert_eq!(dec("1e300").to_i128(), None);
    assert_eq!(dec("1e300").trunc_i64(), None);
}

#[test]
fn rounding_far_left_stays_small() {
    assert_eq!(dec("1234").round(-2), dec("1200"));
    assert_eq!(dec("50").round(-2), dec("100"));
    assert_eq!(dec("49").round(-2), Decimal::ZERO);
    assert_eq!(dec("5").round(i32::MIN), Decimal::ZERO);
    assert_eq!(dec("5").floor(i32::MIN), Decimal::ZERO);
    assert_eq!(dec("5").ceil(i32::MIN), Decimal::ONE.mul_pow10(1000));
    assert_eq!(dec("-1.2").ceil(0), dec("-1"));
    assert_eq!(dec("1.25").round(i32::MAX).to_string(), "1.25");
}

#[test]
fn the_type_is_three_words() {
    assert_eq!(size_of::<Decimal>(), 24);
    assert_eq!(size_of::<Option<Decimal>>(), 24);
}
