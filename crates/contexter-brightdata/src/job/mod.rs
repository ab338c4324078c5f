//! The asynchronous unlocker: submit, come back, collect.

mod client;
mod request;
mod wait;

pub(crate) use client::Jobs;
pub use request::{CollectJob, Job, JobKind, JobState, RESULT_KEPT, SubmitPage, SubmitSearch};
pub use wait::LONGEST_JOB;
