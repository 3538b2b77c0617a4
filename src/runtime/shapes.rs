//! Compiled plans: one shape a plan, shared by all accounts on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::core::catalog::{BillableMetric, Plan};
use crate::engine::shape::Shape;

/// Plans whose shapes are kept. When there are more, all are forgotten, and compiled anew as
/// accounts ask for them; those that accounts hold already stay.
const SHAPES_MAX: usize = 1 << 16;

/// A shape with what it was compiled from. Entities that did not change stay where they are from
/// one book to the next, so that whether it is still the right one is a comparison of places.
struct Compiled {
    plan: Arc<Plan>,
    metrics: Vec<Option<Arc<BillableMetric>>>,
    shape: Arc<Shape>,
}

impl Compiled {
    fn is_of<'a>(
        &self,
        plan: &Arc<Plan>,
        metric: &impl Fn(Uuid) -> Option<&'a Arc<BillableMetric>>,
    ) -> bool {
        let same = |(known, id): (&Option<Arc<BillableMetric>>, Uuid)| match (known, metric(id)) {
            (Some(known), Some(metric)) => Arc::ptr_eq(known, metric),
            (None, None) => true,
            _ => false,
        };
        let ids = plan.charges.iter().map(|charge| charge.metric);
        Arc::ptr_eq(&self.plan, plan) && self.metrics.iter().zip(ids).all(same)
    }
}

/// The shapes of plans, compiled when they are first asked for.
///
/// Readers and owners of slots may hold different books when they ask, around the moment in which
/// the catalogue changes: each gets the shape of its own.
#[derive(Default)]
pub struct Shapes(Mutex<HashMap<Uuid, Compiled>>);

impl Shapes {
    /// The shape of a plan with these metrics.
    pub fn of<'a>(
        &self,
        plan: &Arc<Plan>,
        metric: impl Fn(Uuid) -> Option<&'a Arc<BillableMetric>>,
    ) -> Arc<Shape> {
        let mut shapes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shapes.get(&plan.id);
        if let Some(known) = known.filter(|known| known.is_of(plan, &metric)) {
            return Arc::clone(&known.shape);
        }
        let shape = Arc::new(Shape::compile(plan, |id| metric(id).map(|metric| &**metric)));
        // A change of prices alone keeps the old shape, so that accounts go on sharing one.
        let shape = match known {
            Some(known) if known.shape.digest == shape.digest => Arc::clone(&known.shape),
            _ => shape,
        };
        if shapes.len() >= SHAPES_MAX {
            shapes.clear();
        }
        let metrics = plan.charges.iter().map(|charge| metric(charge.metric).cloned()).collect();
        let compiled = Compiled { plan: Arc::clone(plan), metrics, shape: Arc::clone(&shape) };
        shapes.insert(plan.id, compiled);
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::{Aggregation, fixtures};

    /// A book with one plan: its charges are on this metric.
    struct Book(Arc<Plan>, Arc<BillableMetric>);

    impl Book {
        fn new(charges: u128, field: &str) -> Self {
            let charges = (0..charges).map(|number| fixtures::charge(number, 1, fixtures::free()));
            let metric = BillableMetric {
                field_name: Some(field.to_owned()),
                ..fixtures::metric(1, "bytes", Aggregation::Sum)
            };
            Self(Arc::new(fixtures::plan(1, charges.collect())), Arc::new(metric))
        }

        fn shape(&self, shapes: &Shapes) -> Arc<Shape> {
            shapes.of(&self.0, |id| (id == self.1.id).then_some(&self.1))
        }

        fn digest(&self) -> u64 {
            self.shape(&Shapes::default()).digest
        }
    }

    #[test]
    fn whoever_still_holds_the_old_book_leaves_no_old_shape_to_those_with_the_new_one() {
        let old = Book::new(1, "value");
        for new in [Book::new(2, "value"), Book::new(1, "other")] {
            let shapes = Shapes::default();
            assert_ne!(old.digest(), new.digest());
            for book in [&old, &new, &old, &new, &new] {
                assert_eq!(book.shape(&shapes).digest, book.digest());
            }
        }
    }

    #[test]
    fn a_shape_is_shared_until_it_is_another() {
        let shapes = Shapes::default();
        let book = Book::new(1, "value");
        let first = book.shape(&shapes);
        assert!(Arc::ptr_eq(&first, &book.shape(&shapes)));
        assert!(Arc::ptr_eq(&first, &Book::new(1, "value").shape(&shapes)), "compiled to the same");
        let without = shapes.of(&book.0, |_| None);
        assert_ne!(first.digest, without.digest, "the metric is gone");
        assert_eq!(book.shape(&shapes).digest, first.digest);
    }
}
