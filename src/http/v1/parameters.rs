//! The parameters of usage requests (specification 1.3; SDK contract 5).

use super::freshness;
use super::group;
use super::presentation;
use crate::core::usage::{Request, Selection};
use crate::http::backend::WaitFor;
use crate::http::error::ApiError;
use crate::http::openapi::{Headers, Operation, Parameter, Schema, query};
use crate::http::query::Query;

/// Parameters that choose and split, which only current usage honours.
pub(in crate::http) const FILTERS: [Parameter; 7] = [
    query("charge_id", "This charge only.", Schema::Text),
    query("charge_code", "Charges with this code only.", Schema::Text),
    query("billable_metric_code", "Charges on this metric only.", Schema::Text),
    query("group", "Events with these properties only: an object as JSON.", Schema::Text),
    query("skip_grouping", "Whether rows are not split by group.", Schema::Flag),
    query("filter_by_presentation", "Keys of the breakdowns: an array as JSON.", Schema::Text),
    query("full_usage", "Whether the window starts with the subscription.", Schema::Flag),
];
/// Parameters of usages of now.
const NOW: [Parameter; 2] = [
    query("apply_taxes", "Whether taxes are added; they are if absent.", Schema::Flag),
    query("max_staleness", "Milliseconds of lag beyond which to refuse.", Schema::Integer),
];
/// Parameters of lifetime usage.
pub(super) const LIFETIME: [Parameter; 3] = [
    query("subscription_status", "Which row of the external id.", Schema::Text),
    query("min_offset", "Offsets to reflect: topic-partition:offset,...", Schema::Text),
    query("wait", "Milliseconds to wait for them.", Schema::Integer),
];
/// Parameters of every usage.
const USUAL: [Parameter; 4] = [
    query("external_subscription_id", "The subscription, if several are active.", Schema::Text),
    query("min_offset", "Offsets to reflect: topic-partition:offset,...", Schema::Text),
    query("wait", "Milliseconds to wait for them.", Schema::Integer),
    Parameter {
        name: "If-None-Match",
        place: "header",
        about: "Tags of answers that the caller has.",
        schema: Schema::Text,
    },
];
/// What every usage tells of itself.
const FRESHNESS: Headers = &[
    ("ETag", "The same as long as the answer is.", Schema::Text),
    ("Odometer-Offsets", "Next offsets of what is included.", Schema::Text),
    ("Odometer-Lag-Ms", "Milliseconds behind; 0 if all that is known is in.", Schema::Integer),
    ("Odometer-Catalog-Version", "Next offset of the catalogue.", Schema::Integer),
];

/// The same of an answer without a tag.
pub(in crate::http) const REFLECTS: Headers = match FRESHNESS {
    [_, reflects @ ..] => reflects,
    [] => &[],
};

/// A usage of now, with the parameters, headers and statuses that all of them have.
pub(in crate::http) fn described(operation: Operation) -> Operation {
    reflecting(operation).with(&NOW)
}

/// A usage with the parameters, headers and statuses that all of them have.
pub(in crate::http) fn reflecting(operation: Operation) -> Operation {
    operation.with(&USUAL).tells(FRESHNESS).or(&[304, 405, 409, 504])
}

/// What the query string asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// External id of the subscription; none if missing or empty.
    pub subscription: Option<String>,
    /// What decides the figures.
    pub usage: Request,
    /// Whether the window starts with the subscription.
    pub full_usage: bool,
    /// Offsets that the answer has to reflect.
    pub wait_for: Option<WaitFor>,
    /// The lag, in milliseconds, beyond which no figure is wanted.
    pub max_staleness: Option<i64>,
}

/// Reads a query string. Unknown parameters are passed over.
///
/// # Errors
///
/// [`ApiError::Invalid`] for a parameter that cannot be read.
pub fn read(text: &str) -> Result<Asked, ApiError> {
    let query = Query::parse(text)?;
    let selection = Selection::from_params(
        query.text_or_alias("charge_id", "filter_by_charge_id")?,
        query.text_or_alias("charge_code", "filter_by_charge_code")?,
        query.text_or_alias("billable_metric_code", "filter_by_metric_code")?,
    );
    Ok(Asked {
        subscription: subscription(&query)?,
        usage: Request {
            selection,
            group: group::read(&query)?,
            presentation: presentation::read(&query)?,
            skip_grouping: query.switch("skip_grouping", false)?,
            apply_taxes: query.switch("apply_taxes", true)?,
        },
        full_usage: query.switch("full_usage", false)?,
        wait_for: freshness::wait_for(&query)?,
        max_staleness: freshness::max_staleness(&query)?,
    })
}

/// Reads the query string of a request that honours neither filters nor `full_usage`: whatever
/// stands there is passed over like an unknown parameter.
///
/// # Errors
///
/// [`ApiError::Invalid`] for a parameter that counts and cannot be read.
pub fn read_unfiltered(text: &str) -> Result<Asked, ApiError> {
    let query = Query::parse(text)?;
    let apply_taxes = query.switch("apply_taxes", true)?;
    Ok(Asked {
        subscription: subscription(&query)?,
        usage: Request { apply_taxes, ..Request::default() },
        full_usage: false,
        wait_for: freshness::wait_for(&query)?,
        max_staleness: freshness::max_staleness(&query)?,
    })
}

fn subscription(query: &Query<'_>) -> Result<Option<String>, ApiError> {
    let id = query.text("external_subscription_id")?;
    Ok(id.filter(|id| !id.is_empty()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn absent_parameters_have_defaults() {
        for query in ["", "external_subscription_id=", "unknown=1&group_by=x&%ff=%ff", "&=&"] {
            let expected = Asked {
                subscription: None,
                usage: Request::default(),
                full_usage: false,
                wait_for: None,
                max_staleness: None,
            };
            assert_eq!(read(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn every_parameter_arrives() {
        let asked = read(
            "external_subscription_id=s%2F1+x&apply_taxes=0&full_usage=1&skip_grouping=True\
             &group[cloud]=aws&filter_by_presentation=%5B%22user%22%5D&billable_metric_code=calls",
        );
        let expected = Asked {
            subscription: Some("s/1 x".to_owned()),
            usage: Request {
                selection: Some(Selection::MetricCode("calls".to_owned())),
                group: vec![("cloud".to_owned(), vec!["aws".to_owned()])],
                presentation: Some(vec!["user".to_owned()]),
                skip_grouping: true,
                apply_taxes: false,
            },
            full_usage: true,
            wait_for: None,
            max_staleness: None,
        };
        assert_eq!(asked, Ok(expected));
    }

    #[test]
    fn the_first_selection_that_is_not_blank_counts() {
        let id = "1a901a90-1a90-1a90-1a90-1a901a901a90";
        let charge = Selection::Charge(Uuid::parse_str(id).ok());
        let code = |code: &str| Selection::ChargeCode(code.to_owned());
        let metric = |code: &str| Selection::MetricCode(code.to_owned());
        for (query, expected) in [
            (format!("charge_id={id}&charge_code=c"), Some(charge.clone())),
            (format!("filter_by_charge_id={id}"), Some(charge)),
            (format!("charge_id=&filter_by_charge_id={id}"), None),
            (format!("charge_id=&filter_by_charge_id={id}&charge_code=c"), Some(code("c"))),
            ("charge_id=nonsense".to_owned(), Some(Selection::Charge(None))),
            ("billable_metric_code=m&filter_by_charge_code=c".to_owned(), Some(code("c"))),
            ("charge_code=+&billable_metric_code=m".to_owned(), Some(metric("m"))),
            ("filter_by_metric_code=m".to_owned(), Some(metric("m"))),
        ] {
            assert_eq!(read(&query).unwrap().usage.selection, expected, "{query}");
        }
    }
}
