//! Why a usage has no figure.

/// Why a usage cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// A charge filter of the request matches no charge of the plan (1.4).
    #[error("charge_not_found")]
    ChargeNotFound,
    /// An amount does not fit 64 bits.
    #[error("an amount is out of range")]
    AmountOutOfRange,
    /// A scan found more groups or values than its hard limit (1.9).
    #[error("bucket_limit_exceeded: {0}")]
    LimitExceeded(&'static str),
    /// The events behind the figure could not be read.
    #[error("events unavailable: {0}")]
    Unavailable(String),
}
