//! Identifiers that follow from names, so that applying a file twice changes nothing.

use uuid::Uuid;

/// The namespace of all identifiers that are derived from a catalogue file. It must never change.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f64_6f6d_6574_4572_a1c0_7a1e_0f11_e001);

/// The identifier for a path of names, such as organisation, kind and code. Each name is preceded
/// by its length, so that different paths never spell the same text.
pub fn derived_id(names: &[&str]) -> Uuid {
    let mut text = String::new();
    for name in names {
        text.push_str(&name.len().to_string());
        text.push(':');
        text.push_str(name);
    }
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}
