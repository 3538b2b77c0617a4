//! The catalogue as a YAML file: what an operator wants to be there, checked, compared with what is
//! there, and turned into catalogue records.
//!
//! Pure except for key files, which [`parse`] reads. Names follow Lago's API.

mod adopt;
mod changes;
mod customer;
mod diff;
mod ids;
mod lint;
mod metric;
mod organization;
mod plan;
mod reader;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::HashSet;
use std::path::Path;

use crate::core::catalog::{BillableMetric, Customer, Organization, Plan, Subscription, Tax};

pub use diff::{ApplyPlan, Line, Options, Sign, diff};
pub use ids::derived_id;
pub use lint::lint;
pub use reader::Problem;

use reader::{Node, Problems, suggestion};

/// The example that is shipped with the program.
pub const EXAMPLE: &str = include_str!("../../config/catalog.example.yaml");

/// Keys of an organisation in the file.
const ORGANIZATION_KEYS: [&str; 11] = [
    "external_id",
    "name",
    "timezone",
    "default_currency",
    "integrations",
    "api_keys",
    "taxes",
    "billable_metrics",
    "plans",
    "customers",
    "subscriptions",
];

/// What a file asks for. Creation times are zero: they are known when the file is applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// The organisations in the order of the file.
    pub organizations: Vec<DesiredOrganization>,
}

/// One organisation with everything in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DesiredOrganization {
    /// The organisation.
    pub organization: Organization,
    /// Taxes.
    pub taxes: Vec<Tax>,
    /// Billable metrics.
    pub metrics: Vec<BillableMetric>,
    /// Plans.
    pub plans: Vec<Plan>,
    /// Customers.
    pub customers: Vec<Customer>,
    /// Subscriptions, one row each; status and start are settled when the file is applied.
    pub subscriptions: Vec<Subscription>,
    /// Names that the file uses and does not define: they must be in the catalogue already.
    pub references: Vec<Reference>,
}

/// A name that is defined elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where it is used.
    pub path: String,
    /// What it names.
    pub kind: ReferenceKind,
    /// The code or external id.
    pub name: String,
    /// What to do if it is not there.
    pub hint: Option<String>,
}

/// What a [`Reference`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceKind {
    /// A tax, by code.
    Tax,
    /// A plan, by code.
    Plan,
    /// A customer, by external id.
    Customer,
}

impl ReferenceKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Tax => "tax",
            Self::Plan => "plan",
            Self::Customer => "customer",
        }
    }
}

/// Reads and checks a file. Relative `key_file` paths start at `base`.
///
/// Either everything is right, or all problems are reported together.
pub fn parse(text: &str, base: &Path) -> Result<Desired, Vec<Problem>> {
    let tree = yaml::parse(text)
        .map_err(|message| vec![Problem { path: String::new(), message, hint: None }])?;
    let problems = Problems::default();
    let root = Node { value: &tree, path: String::new(), problems: &problems };
    let mut organizations = Vec::new();
    if let Some(root) = root.object(&["organizations"]) {
        if !root.has("organizations") {
            problems.add("organizations", "is missing");
        }
        for node in root.list("organizations") {
            organizations.extend(read_organization(node, base));
        }
    }
    let names = organizations.iter().map(|one: &DesiredOrganization| &one.organization.external_id);
    refuse_repeats(&problems, "organizations", "organization", names.map(String::as_str));
    refuse_shared_keys(&problems, &organizations);
    let problems = problems.into_vec();
    if problems.is_empty() { Ok(Desired { organizations }) } else { Err(problems) }
}

fn read_organization(node: Node<'_>, base: &Path) -> Option<DesiredOrganization> {
    let object = node.object(&ORGANIZATION_KEYS)?;
    let mut scope = DesiredOrganization::default();
    let name = object.text("external_id");
    scope.organization = organization::read(&object, &name, base);
    for node in object.list("taxes") {
        organization::read_tax(node, &name, &mut scope);
    }
    for node in object.list("billable_metrics") {
        scope.metrics.extend(metric::read(node, &name));
    }
    for node in object.list("plans") {
        plan::read(node, &name, &mut scope);
    }
    for node in object.list("customers") {
        customer::read(node, &name, &mut scope);
    }
    // A file may have a million customers, so they are looked up and not searched.
    let customers: HashSet<String> =
        scope.customers.iter().map(|customer| customer.external_id.clone()).collect();
    for node in object.list("subscriptions") {
        customer::read_subscription(node, &name, &customers, &mut scope);
    }
    let problems = object.problems();
    let path = |list| object.path_of(list);
    let codes = scope.taxes.iter().map(|tax| tax.code.as_str());
    refuse_repeats(problems, &path("taxes"), "tax", codes);
    let codes = scope.metrics.iter().map(|metric| metric.code.as_str());
    refuse_repeats(problems, &path("billable_metrics"), "billable metric", codes);
    let codes = scope.plans.iter().map(|plan| plan.code.as_str());
    refuse_repeats(problems, &path("plans"), "plan", codes);
    let ids = scope.customers.iter().map(|customer| customer.external_id.as_str());
    refuse_repeats(problems, &path("customers"), "customer", ids);
    let ids = scope.subscriptions.iter().map(|row| row.external_id.as_str());
    refuse_repeats(problems, &path("subscriptions"), "subscription", ids);
    Some(scope)
}

fn refuse_repeats<'a>(
    problems: &Problems,
    path: &str,
    what: &str,
    names: impl Iterator<Item = &'a str>,
) {
    let mut seen = HashSet::new();
    for name in names {
        if !name.is_empty() && !seen.insert(name) {
            problems.add(path, format!("{what} `{name}` stands here twice"));
        }
    }
}

/// A key that opens two organisations would open one of them by accident.
fn refuse_shared_keys(problems: &Problems, organizations: &[DesiredOrganization]) {
    let mut seen = HashSet::new();
    for one in organizations {
        for key in &one.organization.api_keys {
            if !seen.insert(key.digest) {
                let name = &one.organization.external_id;
                let message = format!("an api key of `{name}` stands here twice");
                problems.hint("organizations", message, "give every entry a key of its own");
            }
        }
    }
}

/// The identifier that a name stands for: the derived one, which is adjusted when the file is
/// applied if the catalogue has another. A name that the file does not define is noted.
fn refer(
    references: &mut Vec<Reference>,
    organization: &str,
    kind: ReferenceKind,
    (path, name): (String, &str),
    defined: bool,
    hint: Option<String>,
) -> uuid::Uuid {
    if !name.is_empty() && !defined {
        references.push(Reference { path, kind, name: name.to_owned(), hint });
    }
    derived_id(&[organization, kind.name(), name])
}

/// The taxes that an object names in `tax_codes`.
fn refer_to_taxes(
    object: &reader::Object<'_>,
    organization: &str,
    scope: &mut DesiredOrganization,
) -> Vec<uuid::Uuid> {
    let codes = object.texts("tax_codes");
    let DesiredOrganization { taxes, references, .. } = scope;
    let find = |code: &String| {
        let known = || taxes.iter().map(|tax| tax.code.as_str());
        let defined = known().any(|other| other == code);
        let hint = if defined { None } else { suggestion(code, known()) };
        let at = (object.path_of("tax_codes"), code.as_str());
        refer(references, organization, ReferenceKind::Tax, at, defined, hint)
    };
    codes.iter().map(find).collect()
}
