//! Files and batch jobs: embeddings and orders for less money, within half a day.

mod file;
mod job;
mod lines;
mod outcomes;
mod results;
mod service;
mod wait;
mod work;

pub use file::File;
pub use job::{Job, JobCounts, JobError, JobStatus};
pub use outcomes::JobOutcomes;
pub use results::JobResults;
pub use service::Jobs;
pub use wait::Polling;
pub use work::{JobRequest, Work};
