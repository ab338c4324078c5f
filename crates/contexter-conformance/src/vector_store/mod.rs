//! The scenarios of vector stores.
//!
//! A store is judged by the handles that its adapter offers: embedded or hosted, it must keep the
//! same rules. What an adapter does not offer (snapshots, say) is listed as not applicable. Give a
//! [`Subject`] to [`run`]; print [`Report::to_markdown`], and fail if [`Report::failures`] has any.
//!
//! Every scenario makes collections of its own, under names that nobody has, and drops them in the
//! end if it can: the suite may be run on a server that is in use.

mod aliases;
mod asking;
mod collections;
mod fixture;
mod fusion;
mod points;
mod reading;
mod snapshots;

use std::future::Future;
use std::sync::Arc;

use contexter_adapter::{AdapterError, ServiceAdapter};

pub use self::asking::RULES;
use self::fixture::Store;
use crate::Report;

/// A vector store under test.
pub trait Subject: Send + Sync {
    /// Returns the name of its column in the report, such as `"embedded"`.
    fn name(&self) -> &str;

    /// Opens the store; the same data every time.
    ///
    /// It is opened again only after the adapter of the last opening was shut down and dropped.
    fn open(&self) -> impl Future<Output = Result<Arc<dyn ServiceAdapter>, AdapterError>> + Send;
}

/// Runs all scenarios, one after the other.
///
/// # Errors
///
/// If the store cannot be opened.
pub async fn run(subject: &impl Subject) -> Result<Report, AdapterError> {
    let mut report = Report::default();
    let mut store = Store::open(subject).await?;
    asking::all(subject, &mut store, &mut report).await?;
    store.close().await;
    Ok(report)
}
