//! What became of a job.

use std::collections::BTreeMap;

use contexter_model::{Error, Usage};

/// What became of each line of a job: every id of the [`Work`](crate::Work) is in exactly one of the two.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobResults<R> {
    /// The replies, by id.
    pub done: BTreeMap<String, R>,
    /// Why there is no reply, by id.
    pub failed: BTreeMap<String, Error>,
    /// What the lines used.
    pub usage: Usage,
}

impl<R> Default for JobResults<R> {
    fn default() -> Self {
        Self {
            done: BTreeMap::new(),
            failed: BTreeMap::new(),
            usage: Usage::default(),
        }
    }
}
