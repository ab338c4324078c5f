//! What became of a job.

use std::collections::BTreeMap;

use contexter_model::{Error, ErrorKind, Usage};

use crate::client::NAME;
use crate::jobs::lines::Outcomes;
use crate::jobs::{JobRequest, Work};

/// What became of each line of a job: every id of the [`Work`] is in exactly one of the two.
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

impl<R> JobResults<R> {
    /// Joins outcomes with the lines that were sent.
    pub(crate) fn of<Q: JobRequest<Reply = R>>(work: &Work<Q>, mut outcomes: Outcomes<R>) -> Self {
        let mut results = Self {
            done: BTreeMap::new(),
            failed: BTreeMap::new(),
            usage: Usage::default(),
        };
        for id in work.lines().keys() {
            match outcomes.remove(id) {
                Some(Ok(reply)) => {
                    let tokens = Q::used(&reply);
                    results.usage.tokens = results.usage.tokens.saturating_add(tokens);
                    results.done.insert(id.clone(), reply);
                }
                Some(Err(error)) => {
                    results.failed.insert(id.clone(), error);
                }
                None => {
                    let missing = Error::new(ErrorKind::Protocol, "the job has no result for it")
                        .with_service(NAME)
                        .with_operation("read_job");
                    results.failed.insert(id.clone(), missing);
                }
            }
        }
        results
    }
}
