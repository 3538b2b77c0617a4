//! Usage thresholds of a plan: kept to be shown, and to tell how far a lifetime usage has come
//! (specification 8.3 and 8.4).

use crate::core::catalog::Plan;
use crate::core::catalog::check::Errors;
use crate::core::catalog::commands::input::Input;
use crate::core::usage::USAGE_THRESHOLDS;
use crate::core::value::Value;

/// Most thresholds of a plan: each may make an answer look for the moment at which it was reached.
const THRESHOLDS_MAX: usize = 20;
const INVALID: &str = "value_is_invalid";
const NAME: &str = "threshold_display_name";

/// Takes the thresholds that are sent, if any are; an empty list takes out those that are there.
pub(super) fn take_thresholds(input: Input<'_>, plan: &mut Plan, errors: &mut Errors) {
    let Some(sent) = input.list(USAGE_THRESHOLDS) else { return };
    let rows: Option<Vec<Value>> = sent.take(THRESHOLDS_MAX + 1).map(row).collect();
    let Some(rows) = rows.filter(|rows| recurring(rows) <= 1) else {
        return errors.add(USAGE_THRESHOLDS, INVALID);
    };
    if rows.len() > THRESHOLDS_MAX {
        return errors.add(USAGE_THRESHOLDS, "value_is_out_of_range");
    }
    plan.echo.set(USAGE_THRESHOLDS, if rows.is_empty() { Value::Null } else { Value::List(rows) });
}

fn recurring(rows: &[Value]) -> usize {
    rows.iter().filter(|row| *row.get("recurring") == Value::Bool(true)).count()
}

/// One threshold as it is kept; none if its amount is no positive number.
fn row(sent: &Value) -> Option<Value> {
    let input = Input(sent);
    let amount = input.integer("amount_cents").ok()?.filter(|cents| *cents > 0)?;
    let name = input.present(NAME).map_or(Value::Null, Value::Text);
    Some(Value::Object(vec![
        ("amount_cents".to_owned(), Value::Number(amount.to_string())),
        ("recurring".to_owned(), Value::Bool(input.flag("recurring").unwrap_or(false))),
        (NAME.to_owned(), name),
    ]))
}
