//! Data sets: jobs that collect records, their progress, and their snapshots.

mod client;
mod failure;
mod id;
mod inputs;
mod job;
mod record;
mod services;
mod snapshot;
mod wait;
mod wire;

pub(crate) use client::Datasets;
pub use failure::judge_dataset;
pub use id::{DatasetId, SnapshotId};
pub use job::{
    CancelSnapshot, JobStatus, Progress, ScrapeDataset, Scraped, SnapshotProgress, TriggerDataset,
};
pub use record::{DatasetRecord, RecordError, Records, UnreadableRecords, read_records};
pub use snapshot::{CountParts, Download, FetchSnapshot, Part, SnapshotFormat};
