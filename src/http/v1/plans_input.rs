//! Plans, charges and filters in requests (specification 9.3, charge properties 10).

use super::plans_body::{INTERVALS, MODELS};
use crate::http::openapi::{CONDITION, FIGURE, Named, Schema};

/// Codes of taxes.
const CODES: Schema = Schema::List(&Schema::Text);
/// Properties of a charge model, which differ from model to model.
const PROPERTIES: Schema = Schema::Map(&Schema::Any);

/// What is read of a plan.
pub static PLAN_INPUT: Named = Named(
    "PlanInput",
    Schema::Input(
        &[],
        &[
            ("name", Schema::Text),
            ("code", Schema::Text),
            ("invoice_display_name", Schema::Text),
            ("description", Schema::Text),
            ("interval", Schema::Word(&INTERVALS)),
            ("amount_cents", FIGURE),
            ("amount_currency", Schema::Text),
            ("trial_period", FIGURE),
            ("pay_in_advance", Schema::Flag),
            ("bill_charges_monthly", Schema::Flag),
            ("tax_codes", CODES),
            ("charges", Schema::List(&Schema::Ref(&CHARGE_INPUT))),
        ],
    ),
);

/// What is read of a charge.
pub static CHARGE_INPUT: Named = Named(
    "ChargeInput",
    Schema::Input(
        &[],
        &[
            ("id", Schema::Id),
            ("billable_metric_id", Schema::Id),
            ("billable_metric_code", Schema::Text),
            ("code", Schema::Text),
            ("invoice_display_name", Schema::Text),
            ("charge_model", Schema::Word(&MODELS)),
            ("pay_in_advance", Schema::Flag),
            ("prorated", Schema::Flag),
            ("invoiceable", Schema::Flag),
            ("accepts_target_wallet", Schema::Flag),
            ("regroup_paid_fees", Schema::Text),
            ("min_amount_cents", FIGURE),
            ("properties", PROPERTIES),
            (
                "applied_pricing_unit",
                Schema::Input(&[], &[("code", Schema::Text), ("conversion_rate", FIGURE)]),
            ),
            ("filters", Schema::List(&Schema::Ref(&FILTER_INPUT))),
            ("tax_codes", CODES),
        ],
    ),
);

/// What is read of a filter.
pub static FILTER_INPUT: Named = Named(
    "ChargeFilterInput",
    Schema::Input(
        &[],
        &[
            ("invoice_display_name", Schema::Text),
            ("properties", PROPERTIES),
            ("values", CONDITION),
        ],
    ),
);
