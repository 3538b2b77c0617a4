//! What the service is told of a catalogue, from one moment to the next.

use odometer::core::catalog::record::{Body, Change, Entity};

use super::Tenant;

/// What turns one catalogue into another.
pub fn difference(before: Option<&Tenant>, after: &Tenant) -> Vec<Change> {
    let organization = &after.organization.external_id;
    let entity = |body| Entity { organization: organization.clone(), body };
    let known: Vec<Entity> =
        before.map(bodies).unwrap_or_default().into_iter().map(entity).collect();
    let wanted: Vec<Entity> = bodies(after).into_iter().map(entity).collect();
    let keys: Vec<_> = wanted.iter().map(Entity::key).collect();
    let gone = known.iter().map(Entity::key).filter(|key| !keys.contains(key));
    let mut changes: Vec<Change> = gone.map(Change::Delete).collect();
    changes.extend(wanted.into_iter().filter(|body| !known.contains(body)).map(Change::Put));
    changes
}

fn bodies(tenant: &Tenant) -> Vec<Body> {
    let mut bodies = vec![Body::Organization(tenant.organization.clone())];
    bodies.extend(tenant.taxes.iter().cloned().map(Body::Tax));
    bodies.extend(tenant.metrics.iter().cloned().map(Body::BillableMetric));
    bodies.extend(tenant.plans.iter().cloned().map(Body::Plan));
    bodies.extend(tenant.customers.iter().cloned().map(Body::Customer));
    bodies.extend(tenant.rows.iter().cloned().map(Body::Subscription));
    bodies
}
