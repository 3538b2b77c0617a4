//! Plans with their charges and filters.

use uuid::Uuid;

use super::reader::{Node, Object, suggestion};
use super::{DesiredOrganization, derived_id, organization, refer_to_taxes};
use crate::core::catalog::check::{
    ChargeDraft, Errors, MODELS, MetricTraits, charge_code, check_charge, check_filter_values,
    check_properties, filter_values, members_of, prepare_charge, prepare_filter,
    presentation_group_keys, pricing_group_keys,
};
use crate::core::catalog::{
    BillableMetric, Charge, ChargeFilter, Flag, Interval, Plan, PricingUnit,
};
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::pricing::{Model, ModelKind};
use crate::core::value::Value;

const PLAN_KEYS: [&str; 9] = [
    "code",
    "name",
    "interval",
    "amount_cents",
    "amount_currency",
    "pay_in_advance",
    "bill_charges_monthly",
    "tax_codes",
    "charges",
];

const CHARGE_KEYS: [&str; 13] = [
    "billable_metric_code",
    "code",
    "invoice_display_name",
    "charge_model",
    "properties",
    "filters",
    "pay_in_advance",
    "prorated",
    "invoiceable",
    "min_amount_cents",
    "accepts_target_wallet",
    "applied_pricing_unit",
    "tax_codes",
];

/// Members that properties of every model may have.
const GROUP_KEYS: [&str; 3] = ["pricing_group_keys", "grouped_by", "presentation_group_keys"];

const INTERVALS: [&str; 5] = ["weekly", "monthly", "quarterly", "semiannual", "yearly"];

pub(super) fn read(node: Node<'_>, organization: &str, scope: &mut DesiredOrganization) {
    let Some(object) = node.object(&PLAN_KEYS) else { return };
    let code = object.text("code");
    let id = derived_id(&[organization, "plan", &code]);
    let interval = object.named("interval", Interval::from_name, &INTERVALS);
    if !object.has("interval") {
        object.problems().add(object.path_of("interval"), "is missing");
    }
    let interval = interval.unwrap_or(Interval::Monthly);
    let amount_cents = object.integer("amount_cents");
    if amount_cents < 0 {
        object.problems().add(object.path_of("amount_cents"), "must not be negative");
    }
    let currency = organization::read_currency(&object, "amount_currency")
        .or_else(|| scope.organization.default_currency.clone());
    if currency.is_none() && !object.has("amount_currency") {
        let hint = "name it here, or as `default_currency` of the organization";
        object.problems().hint(object.path_of("amount_currency"), "is missing", hint);
    }
    let taxes = refer_to_taxes(&object, organization, scope);
    let mut charges = Vec::new();
    for node in object.list("charges") {
        if let Some(charge) = read_charge(node, organization, id, &charges, scope) {
            charges.push(charge);
        }
    }
    charges.sort_by_key(|charge: &Charge| charge.id);
    scope.plans.push(Plan {
        id,
        name: object.optional_text("name").unwrap_or_else(|| code.clone()),
        code,
        interval,
        amount_cents,
        currency: currency.unwrap_or_default(),
        pay_in_advance: object.flag("pay_in_advance"),
        // It means nothing for shorter intervals, so it is not kept there.
        bill_charges_monthly: object.flag("bill_charges_monthly")
            && matches!(interval, Interval::Yearly | Interval::Semiannual),
        charges,
        taxes,
        parent: None,
        echo: crate::core::catalog::Echo::default(),
        created_at: Instant(0),
    });
}

fn read_charge(
    node: Node<'_>,
    organization: &str,
    plan: Uuid,
    earlier: &[Charge],
    scope: &mut DesiredOrganization,
) -> Option<Charge> {
    let object = node.object(&CHARGE_KEYS)?;
    let taxes = refer_to_taxes(&object, organization, scope);
    let metric = find_metric(&object, scope);
    let model = read_model(&object);
    // Both are needed for all that follows; each has been reported.
    let (metric, kind) = (metric?, model?);
    let codes = earlier.iter().map(|charge| charge.code.as_str());
    let code =
        object.optional_text("code").unwrap_or_else(|| charge_code(&metric.code, codes.clone()));
    let id = derived_id(&[&plan.to_string(), "charge", &code]);
    let given = object.member("properties");
    refuse_unknown_members(&given, kind, true);
    let properties = prepare_charge(Some(kind.name()), given.value);
    report_properties(&given, kind, metric, &properties);
    let charge = Charge {
        id,
        metric: metric.id,
        invoice_display_name: object.optional_text("invoice_display_name"),
        model: Model::from_properties(kind, &properties),
        pricing_group_keys: pricing_group_keys(&properties),
        presentation_group_keys: presentation_group_keys(&properties),
        properties,
        pay_in_advance: object.flag("pay_in_advance"),
        prorated: object.flag("prorated"),
        invoiceable: !object.has("invoiceable") || object.flag("invoiceable"),
        min_amount_cents: object.integer("min_amount_cents"),
        accepts_target_wallet: read_target_wallet(&object, scope),
        pricing_unit: read_pricing_unit(&object),
        taxes,
        filters: read_filters(&object, id, kind, metric),
        echo: crate::core::catalog::Echo::default(),
        created_at: Instant(0),
        code,
    };
    report_charge(&object, &charge, metric, codes.clone().any(|other| other == charge.code));
    Some(charge)
}

fn find_metric<'a>(
    object: &Object<'_>,
    scope: &'a DesiredOrganization,
) -> Option<&'a BillableMetric> {
    let name = "billable_metric_code";
    let code = object.text(name);
    let metric = scope.metrics.iter().find(|metric| metric.code == code);
    if metric.is_none() && !code.is_empty() {
        let known = scope.metrics.iter().map(|metric| metric.code.as_str());
        let hint = suggestion(&code, known)
            .unwrap_or_else(|| "define it under `billable_metrics` of this file".to_owned());
        let message = format!("unknown billable metric `{code}`");
        object.problems().hint(object.path_of(name), message, hint);
    }
    metric
}

fn read_model(object: &Object<'_>) -> Option<ModelKind> {
    let name = "charge_model";
    if !object.has(name) {
        object.problems().add(object.path_of(name), "is missing");
    }
    object.named(name, ModelKind::from_name, &MODELS)
}

fn read_target_wallet(object: &Object<'_>, scope: &DesiredOrganization) -> bool {
    let name = "accepts_target_wallet";
    let accepts = object.flag(name);
    if accepts && !scope.organization.flags.contains(&Flag::EventsTargetingWallets) {
        let message = "needs the integration `events_targeting_wallets`";
        object.problems().add(object.path_of(name), message);
    }
    accepts
}

fn read_pricing_unit(object: &Object<'_>) -> Option<PricingUnit> {
    if !object.has("applied_pricing_unit") {
        return None;
    }
    let unit =
        object.member("applied_pricing_unit").object(&["code", "short_name", "conversion_rate"])?;
    let rate = unit.number("conversion_rate").and_then(|text| {
        let rate = Decimal::parse_literal(text).filter(Decimal::is_positive);
        if rate.is_none() {
            unit.problems().add(unit.path_of("conversion_rate"), "must be greater than 0");
        }
        rate
    });
    let code = unit.text("code");
    let short_name = unit.optional_text("short_name").unwrap_or_else(|| code.clone());
    Some(PricingUnit { code, short_name, conversion_rate: rate? })
}

/// A member that the model does not read would be dropped without a word.
fn refuse_unknown_members(given: &Node<'_>, kind: ModelKind, of_charge: bool) {
    let groups = if of_charge { &GROUP_KEYS[..] } else { &GROUP_KEYS[..2] };
    let known = || members_of(kind.name()).iter().chain(groups).copied();
    for (name, _) in given.value.as_object().unwrap_or_default() {
        if !known().any(|member| member == name) {
            let message = format!("`{name}` means nothing to the model {}", kind.name());
            let hint = suggestion(name, known())
                .unwrap_or_else(|| format!("known: {}", known().collect::<Vec<_>>().join(", ")));
            given.problems.hint(&given.path, message, hint);
        }
    }
}

fn report_properties(
    given: &Node<'_>,
    kind: ModelKind,
    metric: &BillableMetric,
    properties: &Value,
) {
    let errors = check_properties(kind.name(), Some(metric.aggregation), properties, true);
    for (field, codes) in errors.iter() {
        for code in codes {
            let path = format!("{}.{field}", given.path);
            match hint_for(code) {
                Some(hint) => given.problems.hint(path, *code, hint),
                None => given.problems.add(path, *code),
            }
        }
    }
}

fn hint_for(code: &str) -> Option<&'static str> {
    match code {
        "invalid_amount"
        | "invalid_rate"
        | "invalid_fixed_amount"
        | "invalid_free_units_per_total_aggregation" => {
            Some("write a decimal in quotes, e.g. \"0.02\"")
        }
        "invalid_graduated_ranges" | "invalid_graduated_percentage_ranges" => Some(
            "start at 0, let each range begin where the one before ends, and leave the last open",
        ),
        "invalid_volume_ranges" => Some(
            "start at 0, let each range begin one after the end of the one before, and leave the \
             last open",
        ),
        "invalid_package_size" => Some("write a whole number of at least 1, without quotes"),
        "invalid_free_units" => Some("write a whole number of at least 0, without quotes"),
        "invalid_type" => Some("write a list"),
        _ => None,
    }
}

fn report_charge(object: &Object<'_>, charge: &Charge, metric: &BillableMetric, taken: bool) {
    let draft = ChargeDraft {
        model: Some(charge.model.kind().name()),
        metric: Some(MetricTraits {
            aggregation: Some(metric.aggregation),
            recurring: metric.recurring,
        }),
        properties: &charge.properties,
        code: &charge.code,
        code_taken: taken,
        pay_in_advance: charge.pay_in_advance,
        prorated: charge.prorated,
        invoiceable: charge.invoiceable,
        min_amount_cents: Some(charge.min_amount_cents),
        regroup_paid_fees: None,
        licence: true,
    };
    // The properties have been reported field by field.
    for (field, codes) in check_charge(&draft).iter().filter(|(field, _)| *field != "properties") {
        for code in codes {
            object.problems().add(object.path_of(field), *code);
        }
    }
}

fn read_filters(
    object: &Object<'_>,
    charge: Uuid,
    kind: ModelKind,
    metric: &BillableMetric,
) -> Vec<ChargeFilter> {
    let mut filters: Vec<ChargeFilter> = Vec::new();
    for node in object.list("filters") {
        let Some(object) = node.object(&["invoice_display_name", "values", "properties"]) else {
            continue;
        };
        let values = object.member("values");
        report_values(&object, &check_filter_values(&metric.filters, values.value), metric);
        let values = filter_values(values.value);
        let given = object.member("properties");
        refuse_unknown_members(&given, kind, false);
        let properties = prepare_filter(Some(kind.name()), given.value);
        report_properties(&given, kind, metric, &properties);
        let twins = filters.iter().filter(|other| other.values == values).count();
        filters.push(ChargeFilter {
            id: filter_id(charge, &values, twins),
            invoice_display_name: object.optional_text("invoice_display_name"),
            values,
            model: Model::from_properties(kind, &properties),
            pricing_group_keys: pricing_group_keys(&properties),
            properties,
            created_at: Instant(0),
        });
    }
    filters
}

fn report_values(object: &Object<'_>, errors: &Errors, metric: &BillableMetric) {
    if errors.is_empty() {
        return;
    }
    let codes: Vec<&str> = errors.flatten().collect();
    let declared: Vec<String> = metric
        .filters
        .iter()
        .map(|filter| format!("{}: {}", filter.key, filter.values.join(", ")))
        .collect();
    let hint = if declared.is_empty() {
        format!("billable metric `{}` declares no filters", metric.code)
    } else {
        format!("billable metric `{}` declares {}", metric.code, declared.join("; "))
    };
    object.problems().hint(object.path_of("values"), codes.join(", "), hint);
}

/// Equal filters of one charge are told apart by how many equal ones stand before.
fn filter_id(charge: Uuid, values: &[(String, Vec<String>)], twins: usize) -> Uuid {
    let (charge, twins) = (charge.to_string(), twins.to_string());
    let counts: Vec<String> = values.iter().map(|(_, list)| list.len().to_string()).collect();
    let mut names = vec![charge.as_str(), "filter", twins.as_str()];
    for ((key, list), count) in values.iter().zip(&counts) {
        names.extend([key.as_str(), count.as_str()]);
        names.extend(list.iter().map(String::as_str));
    }
    derived_id(&names)
}
