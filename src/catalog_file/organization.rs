//! Organisations with their keys and taxes.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::reader::{Node, Object, suggestion};
use super::{DesiredOrganization, derived_id};
use crate::core::catalog::{ApiKey, Flag, Organization, Tax};
use crate::core::currency::Currency;
use crate::core::double::Double;
use crate::core::instant::Instant;
use crate::core::period::Zone;
use crate::log::catalog::digest_from_hex;

pub(super) fn read(object: &Object<'_>, external_id: &str, base: &Path) -> Organization {
    let name = object.optional_text("name").unwrap_or_else(|| external_id.to_owned());
    let known = Flag::ALL.map(Flag::name);
    let mut flags = Vec::new();
    for name in object.texts("integrations") {
        match Flag::from_name(&name) {
            Some(flag) => flags.push(flag),
            None => object.problems().hint(
                object.path_of("integrations"),
                format!("unknown `{name}`"),
                format!("one of: {}", known.join(", ")),
            ),
        }
    }
    Organization {
        external_id: external_id.to_owned(),
        id: derived_id(&[external_id, "organization"]),
        name,
        timezone: read_zone(object),
        default_currency: read_currency(object, "default_currency"),
        taxes: Vec::new(),
        flags,
        api_keys: object.list("api_keys").into_iter().filter_map(|n| read_key(n, base)).collect(),
    }
}

/// An IANA time zone.
pub(super) fn read_zone(object: &Object<'_>) -> Option<String> {
    let name = object.optional_text("timezone")?;
    if Zone::parse(&name).is_none() {
        object.problems().hint(
            object.path_of("timezone"),
            format!("unknown time zone `{name}`"),
            "use a name of the IANA database, e.g. Europe/Paris",
        );
    }
    Some(name)
}

/// A currency code that Lago accepts.
pub(super) fn read_currency(object: &Object<'_>, name: &str) -> Option<String> {
    let code = object.optional_text(name)?;
    if !Currency::is_accepted(&code) {
        let hint = suggestion(&code, Currency::accepted().iter().copied());
        let hint = hint.unwrap_or_else(|| "use an ISO 4217 code, e.g. EUR".to_owned());
        object.problems().hint(object.path_of(name), format!("unknown currency `{code}`"), hint);
    }
    Some(code)
}

fn read_key(node: Node<'_>, base: &Path) -> Option<ApiKey> {
    let object = node.object(&["sha256", "key_file", "expires_at", "permissions"])?;
    let digest = match (object.optional_text("sha256"), object.optional_text("key_file")) {
        (Some(hex), None) => digest_from_hex(&hex).or_else(|| {
            object.problems().hint(
                object.path_of("sha256"),
                "must be 64 hexadecimal digits",
                "print it with: printf %s YOUR_KEY | sha256sum",
            );
            None
        }),
        (None, Some(file)) => read_key_file(&object, &base.join(file)),
        _ => {
            object.problems().add(object.path(), "needs either `sha256` or `key_file`");
            None
        }
    };
    Some(ApiKey {
        digest: digest?,
        expires_at: object.optional_instant("expires_at"),
        permissions: read_permissions(&object),
    })
}

/// The digest of a key that lies in a file of its own; white space around it does not count.
fn read_key_file(object: &Object<'_>, file: &Path) -> Option<[u8; 32]> {
    let path = object.path_of("key_file");
    match std::fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => Some(Sha256::digest(text.trim()).into()),
        Ok(_) => {
            object.problems().add(path, format!("{} is empty", file.display()));
            None
        }
        Err(error) => {
            object.problems().add(path, format!("cannot read {}: {error}", file.display()));
            None
        }
    }
}

/// `{customer_usage: [read]}`; absent grants everything.
fn read_permissions(object: &Object<'_>) -> Option<Vec<(String, String)>> {
    if !object.has("permissions") {
        return None;
    }
    let node = object.member("permissions");
    let Some(members) = node.value.as_object() else {
        object.problems().add(node.path, "must map resources to lists of `read` and `write`");
        return None;
    };
    let mut granted = Vec::new();
    for (resource, modes) in members {
        let path = format!("{}.{resource}", node.path);
        for mode in (Node { value: modes, path, problems: node.problems }).elements() {
            match mode.value.as_text() {
                Some(name @ ("read" | "write")) => {
                    granted.push((resource.clone(), name.to_owned()));
                }
                _ => node.problems.add(mode.path, "must be `read` or `write`"),
            }
        }
    }
    Some(granted)
}

/// Percent that a tax may reach: more is surely a slip.
const RATE_MAX: i64 = 1_000;

pub(super) fn read_tax(node: Node<'_>, organization: &str, scope: &mut DesiredOrganization) {
    let known = ["code", "name", "rate", "description", "applied_to_organization"];
    let Some(object) = node.object(&known) else { return };
    let code = object.text("code");
    let rate = object.number("rate").and_then(|text| {
        let rate = Double::parse_literal(text);
        let allowed = Double::ZERO..=Double::from_i64(RATE_MAX);
        let rate = rate.filter(|rate| allowed.contains(rate));
        if rate.is_none() {
            let message = format!("`{text}` is no percentage");
            object.problems().hint(object.path_of("rate"), message, "write 20 for 20 %");
        }
        rate
    });
    let id = derived_id(&[organization, "tax", &code]);
    if object.flag("applied_to_organization") {
        scope.organization.taxes.push(id);
    }
    scope.taxes.push(Tax {
        id,
        name: object.optional_text("name").unwrap_or_else(|| code.clone()),
        code,
        rate: rate.unwrap_or_default(),
        description: object.optional_text("description"),
        created_at: Instant(0),
    });
}
