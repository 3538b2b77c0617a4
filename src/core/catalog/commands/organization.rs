//! The organisation itself (specification 0.2 and 3.1, SDK contract 6.6).

use super::input::Input;
use super::{Command, Decision, Refusal, State};
use crate::core::catalog::Organization;
use crate::core::catalog::check::Errors;
use crate::core::catalog::record::Body;
use crate::core::currency::Currency;
use crate::core::period::Zone;
use crate::core::value::Value;

/// Changes what is sent of the members that matter here: currency of new plans and time zone.
#[derive(Clone, Debug)]
pub struct UpdateOrganization {
    /// The members of `organization`.
    pub input: Value,
}

impl Command for UpdateOrganization {
    type Reply = ();

    fn decide(&self, state: &State<'_>) -> Result<Decision<()>, Refusal> {
        let (input, mut errors) = (Input(&self.input), Errors::default());
        let old = &state.tenant.organization;
        let mut organization = Organization::clone(&old.entity);
        if input.has("timezone") {
            organization.timezone = time_zone(input, &mut errors);
        }
        if input.has("default_currency") {
            organization.default_currency = currency(input, "default_currency", &mut errors);
        }
        Refusal::unless_empty(errors)?;
        let mut changes = state.changes();
        if organization != *old.entity {
            changes.put(Body::Organization(organization), Some(old.version));
        }
        Ok(Decision { record: changes.into_record(), reply: () })
    }
}

/// The sent time zone, if it is one.
pub(super) fn time_zone(input: Input<'_>, errors: &mut Errors) -> Option<String> {
    let name = input.present("timezone")?;
    if Zone::parse(&name).is_none() {
        errors.add("timezone", "invalid_timezone");
    }
    Some(name)
}

/// The sent currency, if it is one.
pub(super) fn currency(
    input: Input<'_>,
    field: &'static str,
    errors: &mut Errors,
) -> Option<String> {
    let code = input.present(field)?;
    if !Currency::is_accepted(&code) {
        errors.add(field, "value_is_invalid");
    }
    Some(code)
}
