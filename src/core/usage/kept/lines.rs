//! Charges of every kind, for tests.

use crate::core::catalog::Aggregation;
use crate::core::pricing::{Model, ModelKind};
use crate::core::value::Value;

/// A kind of price, with what of it decides how a bucket is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Price {
    Standard,
    Graduated,
    /// Tiers that begin where the ones before end.
    Touching,
    /// The same, with a bound between two units.
    Split,
    Package,
    Volume,
    GraduatedPercentage,
    Dynamic,
    Percentage,
    FreeEvents,
    FreeUnits,
    Free,
    Bounded,
    BoundedFree,
}

impl Price {
    pub const ALL: [Self; 14] = [
        Self::Standard,
        Self::Graduated,
        Self::Touching,
        Self::Split,
        Self::Package,
        Self::Volume,
        Self::GraduatedPercentage,
        Self::Dynamic,
        Self::Percentage,
        Self::FreeEvents,
        Self::FreeUnits,
        Self::Free,
        Self::Bounded,
        Self::BoundedFree,
    ];

    pub const fn is_percentage(self) -> bool {
        matches!(
            self,
            Self::Percentage
                | Self::FreeEvents
                | Self::FreeUnits
                | Self::Free
                | Self::Bounded
                | Self::BoundedFree
        )
    }

    pub fn model(self) -> Model {
        let text = |text: &str| Value::Text(text.into());
        let range = |from: &str, to: &str, name: &str, price: &str| {
            let bound = |bound: &str| match bound {
                "" => Value::Null,
                _ => Value::Number(bound.into()),
            };
            Value::Object(vec![
                ("from_value".into(), bound(from)),
                ("to_value".into(), bound(to)),
                (name.into(), text(price)),
                ("flat_amount".into(), text("7")),
            ])
        };
        let table = |name: &str, price: &str| {
            let ranges = [("0", "3", "10"), ("4", "6", "3"), ("7", "", "1.5")];
            let ranges = ranges.map(|(from, to, amount)| range(from, to, price, amount));
            vec![(name.to_owned(), Value::List(ranges.into()))]
        };
        let tiers = |bounds: &[(&str, &str)]| {
            let amounts = ["4", "9", "0.5"].into_iter();
            let tier = |((from, to), amount): (&(&str, &str), _)| {
                range(from, to, "per_unit_amount", amount)
            };
            let ranges = bounds.iter().zip(amounts).map(tier).collect();
            vec![("graduated_ranges".to_owned(), Value::List(ranges))]
        };
        let percentage = |members: &[(&str, &str)]| {
            let member = |(name, amount): &(&str, &str)| {
                let number = *name == "free_units_per_events";
                let value = if number { Value::Number((*amount).into()) } else { text(amount) };
                ((*name).to_owned(), value)
            };
            let common = [("rate", "12.5"), ("fixed_amount", "0.3")];
            common.iter().chain(members).map(member).collect()
        };
        let events = ("free_units_per_events", "3");
        let units = ("free_units_per_total_aggregation", "4.5");
        let (min, max) =
            (("per_transaction_min_amount", "0.4"), ("per_transaction_max_amount", "1.1"));
        let (kind, properties) = match self {
            Self::Standard => (ModelKind::Standard, vec![("amount".to_owned(), text("2.5"))]),
            Self::Graduated => (ModelKind::Graduated, table("graduated_ranges", "per_unit_amount")),
            Self::Touching => (ModelKind::Graduated, tiers(&[("0", "2"), ("2", "5"), ("5", "")])),
            Self::Split => (ModelKind::Graduated, tiers(&[("0", "2.5"), ("2.5", "")])),
            Self::Volume => (ModelKind::Volume, table("volume_ranges", "per_unit_amount")),
            Self::GraduatedPercentage => {
                (ModelKind::GraduatedPercentage, table("graduated_percentage_ranges", "rate"))
            }
            Self::Package => (
                ModelKind::Package,
                vec![
                    ("amount".to_owned(), text("5")),
                    ("package_size".to_owned(), Value::Number("2".into())),
                    ("free_units".to_owned(), Value::Number("1".into())),
                ],
            ),
            Self::Dynamic => (ModelKind::Dynamic, Vec::new()),
            Self::Percentage => (ModelKind::Percentage, percentage(&[])),
            Self::FreeEvents => (ModelKind::Percentage, percentage(&[events])),
            Self::FreeUnits => (ModelKind::Percentage, percentage(&[units])),
            Self::Free => (ModelKind::Percentage, percentage(&[events, units])),
            Self::Bounded => (ModelKind::Percentage, percentage(&[min, max])),
            Self::BoundedFree => (ModelKind::Percentage, percentage(&[events, units, min, max])),
        };
        Model::from_properties(kind, &Value::Object(properties))
    }
}

/// What decides how a bucket is kept, keys aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line {
    pub aggregation: &'static str,
    pub price: Price,
    pub recurring: bool,
    pub prorated: bool,
    pub in_advance: bool,
}

impl Line {
    pub fn aggregation(&self) -> Aggregation {
        Aggregation::from_name(self.aggregation).unwrap()
    }

    /// Every combination that the catalogue accepts (5.1, 5.10, 6.2).
    pub fn all() -> Vec<Self> {
        let mut lines = Vec::new();
        for aggregation in [
            "count_agg",
            "sum_agg",
            "max_agg",
            "unique_count_agg",
            "weighted_sum_agg",
            "latest_agg",
        ] {
            for price in Price::ALL {
                for flags in 0..8 {
                    let [recurring, prorated, in_advance] =
                        [flags & 1 > 0, flags & 2 > 0, flags & 4 > 0];
                    let line = Self { aggregation, price, recurring, prorated, in_advance };
                    if line.is_accepted() {
                        lines.push(line);
                    }
                }
            }
        }
        lines
    }

    fn is_accepted(&self) -> bool {
        let sums = matches!(self.aggregation(), Aggregation::Sum | Aggregation::UniqueCount);
        let recurs = sums || self.aggregation() == Aggregation::WeightedSum;
        let graduated = matches!(self.price, Price::Graduated | Price::Touching | Price::Split);
        let tiers = graduated || self.price == Price::Volume;
        let prorates = self.price == Price::Standard || (tiers && !self.in_advance);
        let counts = sums || self.aggregation() == Aggregation::Count;
        let percentage =
            matches!(self.price, Price::GraduatedPercentage) || self.price.is_percentage();
        (!self.recurring || recurs)
            && (!self.prorated || (sums && self.recurring && prorates))
            && (!self.in_advance || (counts && self.price != Price::Volume))
            && (self.price != Price::Dynamic || self.aggregation() == Aggregation::Sum)
            && !(percentage && self.aggregation() == Aggregation::Latest)
    }
}
