//! Organisations: the tenants (specification 0.2, 1.2, 3.1).

use uuid::Uuid;

use crate::core::instant::Instant;

/// A tenant with its billing entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Organization {
    /// The id that events carry in `organization_id`.
    pub external_id: String,
    /// Identifier in answers.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// IANA zone of the billing entity; the default of customers without one.
    pub timezone: Option<String>,
    /// Currency of new plans that name none.
    pub default_currency: Option<String>,
    /// Taxes of the billing entity, by id.
    pub taxes: Vec<Uuid>,
    /// Premium integrations that are switched on.
    pub flags: Vec<Flag>,
    /// Keys that may ask for this tenant's data.
    pub api_keys: Vec<ApiKey>,
}

/// A premium integration that changes answers (specification 0.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flag {
    /// Allows `full_usage` (1.6).
    GranularLifetimeUsage,
    /// Allows projected usage (8.2).
    ProjectedUsage,
    /// Lifetime usage.
    LifetimeUsage,
    /// Usage thresholds.
    ProgressiveBilling,
    /// Charges may accept a target wallet (6.4).
    EventsTargetingWallets,
    /// Keys carry permissions (1.2).
    ApiPermissions,
}

impl Flag {
    /// Every flag.
    pub const ALL: [Self; 6] = [
        Self::GranularLifetimeUsage,
        Self::ProjectedUsage,
        Self::LifetimeUsage,
        Self::ProgressiveBilling,
        Self::EventsTargetingWallets,
        Self::ApiPermissions,
    ];

    /// The name it is switched on by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GranularLifetimeUsage => "granular_lifetime_usage",
            Self::ProjectedUsage => "projected_usage",
            Self::LifetimeUsage => "lifetime_usage",
            Self::ProgressiveBilling => "progressive_billing",
            Self::EventsTargetingWallets => "events_targeting_wallets",
            Self::ApiPermissions => "api_permissions",
        }
    }

    /// The flag with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }
}

/// An API key. Only its digest is known here.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKey {
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// The key stops working at this instant.
    pub expires_at: Option<Instant>,
    /// With [`Flag::ApiPermissions`]: granted modes per resource, e.g. `("customer_usage",
    /// "read")`. None grants everything.
    pub permissions: Option<Vec<(String, String)>>,
}
