//! What a request asks of a usage (specification 1.3, 1.6).

use uuid::Uuid;

use crate::core::catalog::{BillableMetric, Charge};

/// Which charges are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The charge with this id; none for a text that is no id, which matches nothing.
    Charge(Option<Uuid>),
    /// The charge with this code.
    ChargeCode(String),
    /// The charges on the metric with this code.
    MetricCode(String),
}

impl Selection {
    /// The first parameter that is not blank decides.
    pub fn from_params(
        charge_id: Option<&str>,
        charge_code: Option<&str>,
        metric_code: Option<&str>,
    ) -> Option<Self> {
        let is_given = |text: &&str| !text.trim().is_empty();
        let id = || charge_id.filter(is_given).map(|id| Self::Charge(Uuid::parse_str(id).ok()));
        let code = || charge_code.filter(is_given).map(|code| Self::ChargeCode(code.to_owned()));
        let metric = || metric_code.filter(is_given).map(|code| Self::MetricCode(code.to_owned()));
        id().or_else(code).or_else(metric)
    }

    fn takes(&self, charge: &Charge, metric: &BillableMetric) -> bool {
        match self {
            Self::Charge(id) => *id == Some(charge.id),
            Self::ChargeCode(code) => *code == charge.code,
            Self::MetricCode(code) => *code == metric.code,
        }
    }
}

/// The parts of a usage request that decide figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which charges; none for all.
    pub selection: Option<Selection>,
    /// Conditions on event properties, all of which have to hold (6.5).
    pub group: Vec<(String, Vec<String>)>,
    /// Presentation keys wanted; none for all (1.3).
    pub presentation: Option<Vec<String>>,
    /// Whether pricing group keys are left aside (6.4).
    pub skip_grouping: bool,
    /// Whether taxes are computed.
    pub apply_taxes: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            selection: None,
            group: Vec::new(),
            presentation: None,
            skip_grouping: false,
            apply_taxes: true,
        }
    }
}

impl Request {
    /// Whether the charge is part of the answer.
    pub fn takes(&self, charge: &Charge, metric: &BillableMetric) -> bool {
        self.selection.as_ref().is_none_or(|selection| selection.takes(charge, metric))
    }

    /// Whether `full_usage` may be asked for with these filters, the tenant's flag aside: something
    /// narrows the usage, and no selected charge is prorated (1.6).
    pub fn allows_full_usage<'a>(
        &self,
        charges: impl IntoIterator<Item = (&'a Charge, &'a BillableMetric)>,
    ) -> bool {
        let narrows = self.selection.is_some() || !self.group.is_empty();
        narrows
            && charges
                .into_iter()
                .all(|(charge, metric)| !charge.prorated || !self.takes(charge, metric))
    }
}
