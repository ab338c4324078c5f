//! The bulkhead.

mod config;
mod handle;
mod permit;

pub use config::BulkheadConfig;
pub use handle::Bulkhead;
pub use permit::{AcquirePermit, Permit};

pub(crate) use config::{MOST, check_queue};
pub(crate) use handle::snapshot;
