//! What became of a job.

use std::collections::BTreeMap;

use contexter_http::Secrets;
use contexter_model::{Error, ErrorKind, Usage};

use crate::jobs::service::signed;
use crate::jobs::{Job, JobOutcomes, JobRequest, JobStatus, Jobs, Work, lines};

/// So many jobs are known to have been counted; older ones by their ids are forgotten.
const MAX_COUNTED: usize = 1_000;

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

impl Jobs {
    /// Reads the results of a job that has come to an end, each to its line; all are held in memory.
    /// Where they may be too many for that, there is [`outcomes`](Self::outcomes).
    ///
    /// Of a job that was stopped, the lines that were done by then have replies.
    ///
    /// # Errors
    ///
    /// As [`outcomes`](Self::outcomes) and [`JobOutcomes::next`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future reads no further.
    pub async fn results<R: JobRequest>(
        &self,
        job: &Job,
        work: &Work<R>,
    ) -> Result<JobResults<R::Reply>, Error> {
        let mut outcomes = self.outcomes(job, work)?;
        let mut results = JobResults::default();
        while let Some((id, outcome)) = outcomes.next().await? {
            match outcome {
                Ok(reply) => {
                    let tokens = results.usage.tokens.saturating_add(R::used(&reply));
                    results.usage.tokens = tokens;
                    results.done.insert(id.to_owned(), reply);
                }
                Err(error) => {
                    results.failed.insert(id.to_owned(), error);
                }
            }
        }
        Ok(results)
    }

    /// Begins to read the results of a job that has come to an end, one line at a time.
    ///
    /// What a line used is counted once, however often results of the job are read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a job that failed as a whole, with the vendor's reasons, or that has
    /// not ended.
    pub fn outcomes<'a, R: JobRequest>(
        &self,
        job: &Job,
        work: &'a Work<R>,
    ) -> Result<JobOutcomes<'a, R>, Error> {
        let secrets = self.client.secrets();
        let refused = |what: String| {
            let message = format!("the job {} {what}", secrets.told(&job.id));
            Err(signed(Error::new(ErrorKind::Invalid, message), "read_job"))
        };
        match &job.status {
            JobStatus::Completed | JobStatus::Cancelled => {}
            JobStatus::Failed => return refused(format!("failed: {}", reasons(job, secrets))),
            other => {
                return refused(format!(
                    "has not ended: it is {}",
                    secrets.told(other.as_str())
                ));
            }
        }
        let files = [&job.output_file_id, &job.error_file_id];
        let files = files.into_iter().flatten().cloned();
        Ok(JobOutcomes::new(self.clone(), job.id.clone(), files, work))
    }

    /// Whether this line of the results of a job, by its place among all, has not been counted as used
    /// yet; from now on it has.
    pub(crate) fn is_new(&self, job: &str, place: u64) -> bool {
        let mut counted = self.counted.lock();
        if let Some(lines) = counted.get_mut(job) {
            let is_new = place > *lines;
            *lines = place.max(*lines);
            return is_new;
        }
        if counted.len() >= MAX_COUNTED {
            counted.pop_first();
        }
        counted.insert(job.to_owned(), place);
        true
    }
}

fn reasons(job: &Job, secrets: &Secrets) -> String {
    /// More would not help.
    const SHOWN: usize = 3;
    let reasons: Vec<String> = job
        .errors()
        .iter()
        .take(SHOWN)
        .map(|error| {
            let message = error.message.clone().or_else(|| error.code.clone());
            let message = lines::told(message, secrets);
            match error.line {
                Some(line) => format!("line {line}: {message}"),
                None => message,
            }
        })
        .collect();
    if reasons.is_empty() {
        lines::told(None, secrets)
    } else {
        reasons.join("; ")
    }
}
