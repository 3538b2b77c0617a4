//! Codes of new charges (section 9).

use crate::core::decimal::Decimal;

/// The code of a new charge that names none: its metric's code, numbered if a charge of the plan
/// has it already.
pub fn charge_code<'a>(metric_code: &str, taken: impl Iterator<Item = &'a str> + Clone) -> String {
    if !taken.clone().any(|code| code == metric_code) {
        return metric_code.to_owned();
    }
    // Users choose codes, so a number may have more digits than an integer type holds.
    let greatest = taken.filter_map(|code| number_of(code, metric_code)).max();
    match greatest {
        Some(number) => format!("{metric_code}_{}", number + Decimal::ONE),
        None => format!("{metric_code}_2"),
    }
}

/// The number in a code of the form `metric_7`.
fn number_of(code: &str, metric_code: &str) -> Option<Decimal> {
    let digits = code.strip_prefix(metric_code)?.strip_prefix('_')?;
    let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| Decimal::parse_numeric(digits)).flatten()
}
