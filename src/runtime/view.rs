//! What is made of the quantities of an account: an answer of one kind.

use super::target::Target;
use crate::core::usage::{CurrentUsage, ProjectedUsage, Quantities, Request, UsageError};

/// One kind of answer.
pub trait View {
    /// What it comes out as.
    type Body;

    /// What tells its answers from those of other views, and whatever else than the account and
    /// the catalogue determines them.
    fn mark(&self, target: &Target) -> String;

    /// Whether totals of the charges window are all that it may need.
    fn reads_totals(&self, target: &Target) -> bool;

    /// The answer from the quantities of the charges window and those of the plan's period.
    fn body(
        &self,
        target: &Target,
        request: &Request,
        window: &dyn Quantities,
        plan: &dyn Quantities,
    ) -> Result<Self::Body, UsageError>;
}

/// Current usage (specification chapter 2), as the function prints it.
pub struct Current<F>(pub F);

impl<R, F: Fn(&CurrentUsage<'_>) -> R> View for Current<F> {
    type Body = R;

    fn mark(&self, _: &Target) -> String {
        String::new()
    }

    fn reads_totals(&self, _: &Target) -> bool {
        true
    }

    fn body(
        &self,
        target: &Target,
        request: &Request,
        window: &dyn Quantities,
        _: &dyn Quantities,
    ) -> Result<R, UsageError> {
        Ok((self.0)(&target.compute(request, window)?))
    }
}

/// Projected usage (8.2), as the function prints it.
pub struct Projected<F>(pub F);

impl<R, F: Fn(&ProjectedUsage<'_>) -> R> View for Projected<F> {
    type Body = R;

    fn mark(&self, target: &Target) -> String {
        format!("projected {:?} ", target.elapsed())
    }

    fn reads_totals(&self, target: &Target) -> bool {
        target.period.plan == target.window
    }

    fn body(
        &self,
        target: &Target,
        request: &Request,
        window: &dyn Quantities,
        plan: &dyn Quantities,
    ) -> Result<R, UsageError> {
        Ok((self.0)(&target.project(request, window, plan)?))
    }
}
