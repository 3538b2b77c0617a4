//! Subscriptions in answers (specification 9.5).

use std::sync::Arc;

use uuid::Uuid;

use super::plans_body::{self, PLAN};
use crate::core::catalog::past::ZoneChange;
use crate::core::catalog::version::{CustomerRow, SubscriptionRows, Versioned};
use crate::core::catalog::zones::{Named, terms_of};
use crate::core::catalog::{Plan, Status, Subscription};
use crate::core::instant::Instant;
use crate::core::period::{self, Terms, Window};
use crate::http::backend::Snapshot;
use crate::http::json::{Object, date, millis};
use crate::http::openapi::{MAYBE_INSTANT, MAYBE_TEXT, NOTHING, Named as Shape, Schema};

/// Names of statuses.
pub const STATUSES: [&str; 4] = ["pending", "active", "terminated", "canceled"];
/// Names of billing times.
pub const BILLING_TIMES: [&str; 2] = ["calendar", "anniversary"];

/// What [`Shown::print`] prints.
pub static SUBSCRIPTION: Shape = Shape(
    "Subscription",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("external_id", Schema::Text),
        ("lago_customer_id", Schema::Id),
        ("external_customer_id", Schema::Text),
        ("name", MAYBE_TEXT),
        ("plan_code", Schema::Text),
        ("plan_amount_cents", Schema::Integer),
        ("plan_amount_currency", MAYBE_TEXT),
        ("status", Schema::Word(&STATUSES)),
        ("billing_time", Schema::Word(&BILLING_TIMES)),
        ("subscription_at", Schema::Instant),
        ("started_at", MAYBE_INSTANT),
        ("trial_ended_at", Schema::Null),
        ("ending_at", MAYBE_INSTANT),
        ("terminated_at", MAYBE_INSTANT),
        ("canceled_at", MAYBE_INSTANT),
        ("created_at", Schema::Instant),
        ("previous_plan_code", MAYBE_TEXT),
        ("next_plan_code", MAYBE_TEXT),
        ("downgrade_plan_date", Schema::Maybe(&Schema::Date)),
        ("current_billing_period_started_at", MAYBE_INSTANT),
        ("current_billing_period_ending_at", MAYBE_INSTANT),
        ("on_termination_credit_note", Schema::Null),
        ("on_termination_invoice", Schema::Text),
        ("progressive_billing_disabled", Schema::Flag),
        ("consolidate_invoice", Schema::Null),
        ("purchase_order_number", Schema::Null),
        ("cancellation_reason", Schema::Null),
        ("activated_at", MAYBE_INSTANT),
        (
            "payment_method",
            Schema::Object(&[
                ("payment_method_id", Schema::Null),
                ("payment_method_type", Schema::Text),
            ]),
        ),
        ("plan", Schema::Maybe(&Schema::Ref(&PLAN))),
        ("entitlements", NOTHING),
        ("applicable_usage_thresholds", NOTHING),
        ("applied_invoice_custom_sections", NOTHING),
    ]),
);

/// Lists of what is not offered.
const EMPTY: [&str; 3] =
    ["entitlements", "applicable_usage_thresholds", "applied_invoice_custom_sections"];

/// A row with all that its answer shows.
pub struct Shown<'a> {
    row: &'a Subscription,
    /// When it was last written.
    written_at: Instant,
    status: Status,
    /// All rows of its external id.
    rows: SubscriptionRows,
    /// None once it is deleted.
    customer: Option<CustomerRow>,
    /// None once it is deleted.
    plan: Option<&'a Versioned<Plan>>,
    terms: Option<Terms>,
    catalogue: &'a Snapshot,
}

impl<'a> Shown<'a> {
    /// A row with what the catalogue says about it.
    pub fn new(catalogue: &'a Snapshot, row: &'a Subscription) -> Self {
        let (tenant, directory) = (&catalogue.tenant, &catalogue.directory);
        let organization = &tenant.organization.external_id;
        let rows = directory.subscriptions(organization, &row.external_id);
        let customer = directory.customer(organization, &row.customer);
        let plan = tenant.plan(row.plan);
        let changes: Option<Arc<[ZoneChange]>> = directory.zones(organization, &row.customer);
        let own = Named {
            now: customer.as_ref().and_then(|customer| customer.timezone.as_deref()),
            changes: changes.as_deref().unwrap_or_default(),
        };
        let organization =
            Named { now: tenant.organization.timezone.as_deref(), changes: &tenant.past.zones };
        let terms = plan.map(|plan| terms_of(row, plan, own, organization));
        // Another change may have come since; then this one is as old as it is.
        let stored = rows.iter().find(|stored| *stored.entity == *row);
        let written_at = stored.map_or(catalogue.now, |stored| stored.log_time);
        let status = row.status_at(catalogue.now);
        Self { row, written_at, status, rows, customer, plan, terms, catalogue }
    }

    /// When it became active; none while it waits.
    fn started_at(&self) -> Option<Instant> {
        let has_begun = matches!(self.status, Status::Active | Status::Terminated);
        self.row.started_at.filter(|_| has_begun)
    }

    fn ended_at(&self) -> Option<Instant> {
        self.row.ends_at().filter(|_| self.status == Status::Terminated)
    }

    /// The row before a plan change, and the latest one after it that was not given up.
    fn neighbours(&self) -> (Option<&Subscription>, Option<&Subscription>) {
        let follows = |row: &&Versioned<Subscription>| {
            row.previous == Some(self.row.id) && row.status != Status::Canceled
        };
        let previous = self.rows.iter().find(|row| self.row.previous == Some(row.id));
        let next = self.rows.iter().filter(follows).max_by_key(|row| row.created_at);
        (previous.map(|row| &*row.entity), next.map(|row| &*row.entity))
    }

    fn plan_code(&self, row: Option<&Subscription>) -> Option<&'a str> {
        Some(self.catalogue.tenant.plan(row?.plan)?.code.as_str())
    }

    /// The charges window of now, or the last one, cut where the subscription ended.
    fn window(&self) -> Option<Window> {
        let started_at = self.started_at()?;
        let end = self.ended_at();
        let at = end.unwrap_or(self.catalogue.now).max(started_at);
        let mut window = period::current(self.terms.as_ref()?, at)?.charges;
        if let Some(end) = end {
            window.to = window.to.min(end.max(window.from));
        }
        Some(window)
    }

    /// Prints it.
    pub fn print(&self, out: &mut String) {
        let (row, plan) = (self.row, self.plan);
        let (previous, next) = self.neighbours();
        let waiting = next.filter(|next| next.status_at(self.catalogue.now) == Status::Pending);
        let window = self.window();
        let canceled = self.status == Status::Canceled;
        Object::print(out, |object| {
            object
                .id("lago_id", row.id)
                .text("external_id", &row.external_id)
                // Clients insist on an id; that of a deleted customer is forgotten.
                .id("lago_customer_id", self.customer.as_ref().map_or(Uuid::nil(), |own| own.id))
                .text("external_customer_id", &row.customer)
                .maybe_text("name", row.name.as_deref())
                .text("plan_code", plan.map_or("", |plan| plan.code.as_str()))
                .integer("plan_amount_cents", plan.map_or(0, |plan| plan.amount_cents))
                .maybe_text("plan_amount_currency", plan.map(|plan| plan.currency.as_str()))
                .text("status", self.status.name())
                .text("billing_time", row.billing_time.name())
                .seconds("subscription_at", row.subscription_at)
                .maybe("started_at", self.started_at(), millis)
                .null("trial_ended_at")
                .maybe_seconds("ending_at", row.ending_at)
                .maybe_seconds("terminated_at", self.ended_at())
                .maybe_seconds("canceled_at", canceled.then_some(self.written_at))
                .seconds("created_at", row.created_at)
                .maybe_text("previous_plan_code", self.plan_code(previous))
                .maybe_text("next_plan_code", self.plan_code(next));
            let change = waiting.and_then(|next| next.started_at).zip(self.terms.as_ref());
            object
                .maybe("downgrade_plan_date", change, |out, (at, terms)| {
                    date(out, terms.zone.date(at));
                })
                .maybe_seconds("current_billing_period_started_at", window.map(|own| own.from))
                .maybe_seconds("current_billing_period_ending_at", window.map(|own| own.to))
                .null("on_termination_credit_note")
                .text("on_termination_invoice", "generate")
                .flag("progressive_billing_disabled", false)
                .null("consolidate_invoice")
                .null("purchase_order_number")
                .null("cancellation_reason")
                .maybe_seconds("activated_at", self.started_at())
                .member("payment_method", |out| {
                    Object::print(out, |object| {
                        object.null("payment_method_id").text("payment_method_type", "provider");
                    });
                })
                .maybe("plan", plan, |out, plan| {
                    plans_body::print(out, plan, &self.catalogue.tenant);
                });
            for name in EMPTY {
                object.array(name, [], |_, ()| {});
            }
        });
    }
}
