//! Data sets: jobs that collect records, their progress, and their snapshots.

mod client;
mod failure;
mod record;
mod request;

pub(crate) use client::Datasets;
pub use record::{DatasetRecord, RecordError, Records, UnreadableRecords, read_records};
pub use request::{
    CancelSnapshot, CountParts, DatasetId, Download, FetchSnapshot, JobStatus, Part, Progress,
    ScrapeDataset, Scraped, SnapshotFormat, SnapshotId, SnapshotProgress, TriggerDataset,
};
