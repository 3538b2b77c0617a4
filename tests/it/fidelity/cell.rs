//! The combinations that charges may have (charge properties 7, specification 5.1, 5.10).

use odometer::core::catalog::{Aggregation, Charge, Interval};
use odometer::core::pricing::ModelKind;

/// What a charge is, as far as the table of covered combinations tells charges apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub aggregation: Aggregation,
    pub model: ModelKind,
    pub prorated: bool,
    pub in_advance: bool,
    pub grouped: bool,
    pub interval: Interval,
}

const AGGREGATIONS: [Aggregation; 6] = [
    Aggregation::Count,
    Aggregation::Sum,
    Aggregation::Max,
    Aggregation::UniqueCount,
    Aggregation::WeightedSum,
    Aggregation::Latest,
];
const MODELS: [ModelKind; 7] = [
    ModelKind::Standard,
    ModelKind::Graduated,
    ModelKind::Package,
    ModelKind::Percentage,
    ModelKind::Volume,
    ModelKind::GraduatedPercentage,
    ModelKind::Dynamic,
];
/// All intervals.
pub const INTERVALS: [Interval; 5] = [
    Interval::Weekly,
    Interval::Monthly,
    Interval::Quarterly,
    Interval::Semiannual,
    Interval::Yearly,
];

impl Cell {
    /// The cell of a charge on such a metric.
    pub fn of(charge: &Charge, aggregation: Aggregation, interval: Interval) -> Self {
        Self {
            aggregation,
            model: charge.model.kind(),
            prorated: charge.prorated,
            in_advance: charge.pay_in_advance,
            grouped: !charge.pricing_group_keys.is_empty(),
            interval,
        }
    }

    fn is_allowed(&self) -> bool {
        let percents = [ModelKind::Percentage, ModelKind::GraduatedPercentage];
        let modelled = match self.aggregation {
            Aggregation::Sum => true,
            Aggregation::Latest => {
                self.model != ModelKind::Dynamic && !percents.contains(&self.model)
            }
            _ => self.model != ModelKind::Dynamic,
        };
        let payable = matches!(
            self.aggregation,
            Aggregation::Count | Aggregation::Sum | Aggregation::UniqueCount
        );
        let advance = !self.in_advance || (payable && self.model != ModelKind::Volume);
        let recurs = matches!(self.aggregation, Aggregation::Sum | Aggregation::UniqueCount);
        let in_arrears = matches!(self.model, ModelKind::Graduated | ModelKind::Volume);
        let prorates =
            recurs && (self.model == ModelKind::Standard || (in_arrears && !self.in_advance));
        modelled && advance && (!self.prorated || prorates)
    }

    /// Every cell that the specification allows.
    pub fn allowed() -> Vec<Self> {
        let mut cells = Vec::new();
        for aggregation in AGGREGATIONS {
            for model in MODELS {
                for flags in 0..8 {
                    let (prorated, in_advance, grouped) =
                        (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
                    for interval in INTERVALS {
                        cells.push(Self {
                            aggregation,
                            model,
                            prorated,
                            in_advance,
                            grouped,
                            interval,
                        });
                    }
                }
            }
        }
        cells.retain(Self::is_allowed);
        cells
    }
}
