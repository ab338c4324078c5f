//! The results of a job, one line at a time.

use std::collections::{BTreeSet, VecDeque, btree_map};
use std::fmt;

use bytes::Bytes;
use contexter_model::{Error, ErrorKind};
use parking_lot::Mutex;

use crate::Model;
use crate::client::NAME;
use crate::jobs::lines::{self, Lines};
use crate::jobs::service::signed;
use crate::jobs::{JobRequest, Jobs, Work};

const OPERATION: &str = "read_job";

/// What became of the lines of a job, one at a time: from [`Jobs::outcomes`].
///
/// The files of the job may be larger than memory. What is held is one line, of at most 64 MiB, and the
/// ids that have been seen.
///
/// # Examples
///
/// ```no_run
/// # async fn example(
/// #     jobs: &contexter_voyage::Jobs,
/// #     job: &contexter_voyage::Job,
/// #     work: &contexter_voyage::Work<contexter_voyage::EmbedTexts>,
/// # ) -> Result<(), contexter_model::Error> {
/// let mut outcomes = jobs.outcomes(job, work)?;
/// while let Some((id, outcome)) = outcomes.next().await? {
///     match outcome {
///         Ok(reply) => println!("{id}: {} vectors", reply.vectors.len()),
///         Err(error) => println!("{id}: {error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct JobOutcomes<'a, R> {
    jobs: Jobs,
    /// The id of the job.
    job: String,
    work: &'a Work<R>,
    /// The files that were not read to their end, in order.
    files: VecDeque<String>,
    /// The first of them, while it is open.
    open: Mutex<Option<Lines>>,
    /// The number of the line of it that was taken last.
    taken: u64,
    seen: BTreeSet<&'a str>,
    /// The ids that no file may have had.
    rest: btree_map::Keys<'a, String, R>,
}

impl<'a, R: JobRequest> JobOutcomes<'a, R> {
    pub(crate) fn new(
        jobs: Jobs,
        job: String,
        files: impl IntoIterator<Item = String>,
        work: &'a Work<R>,
    ) -> Self {
        Self {
            jobs,
            job,
            work,
            files: files.into_iter().collect(),
            open: Mutex::new(None),
            taken: 0,
            seen: BTreeSet::new(),
            rest: work.lines().keys(),
        }
    }

    /// Returns the next line's id and what became of it, in the order of the files; at last the ids that
    /// no file had, as [`ErrorKind::Protocol`]. Every id of the work comes once. `None` at the end.
    ///
    /// A connection that breaks is made again as the stack of [`Jobs`] says, and goes on behind the last
    /// line.
    ///
    /// # Errors
    ///
    /// As a request; [`ErrorKind::Protocol`] for lines that cannot be joined with the work, and
    /// [`ErrorKind::TooLarge`] for one of more than 64 MiB.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no line: the next call goes on behind the last one that was returned.
    pub async fn next(&mut self) -> Result<Option<(&'a str, Result<R::Reply, Error>)>, Error> {
        while let Some(file) = self.files.front() {
            let Some((number, line)) = self.line(file).await? else {
                self.files.pop_front();
                self.taken = 0;
                continue;
            };
            let secrets = self.jobs.client.secrets();
            let read = lines::read(self.work, number, &line, secrets);
            let (id, outcome) = read.map_err(|error| signed(error, OPERATION))?;
            if !self.seen.insert(id) {
                let message = format!("the results have the id {id:?} twice");
                return Err(signed(Error::new(ErrorKind::Protocol, message), OPERATION));
            }
            self.taken = number;
            // Lossless: no set in memory has more than u64::MAX entries.
            let is_new = self.jobs.is_new(&self.job, self.seen.len() as u64);
            if let (Ok(reply), Some(model), true) = (&outcome, self.work.model(), is_new) {
                let account = self.jobs.client.account();
                account.used_by_job(&Model::named(model, R::KIND), R::used(reply));
            }
            return Ok(Some((id, outcome)));
        }
        let missing = self.rest.find(|id| !self.seen.contains(id.as_str()));
        Ok(missing.map(|id| {
            let missing = Error::new(ErrorKind::Protocol, "the job has no result for it")
                .with_service(NAME)
                .with_operation(OPERATION);
            (id.as_str(), Err(missing))
        }))
    }

    /// Takes a line of a file; one attempt of the stack. After a failure the file is opened anew.
    async fn line(&self, file: &str) -> Result<Option<(u64, Bytes)>, Error> {
        let outcome = self.jobs.stack.run(self.jobs.cx, |_cx| async {
            let open = self.open.lock().take();
            let mut lines = match open {
                Some(lines) => lines,
                // Each line is bounded, and so is their number: an id comes once.
                None => Lines::new(self.jobs.open_file(file, u64::MAX).await?),
            };
            let line = lines.next(self.taken).await?;
            if line.is_some() {
                *self.open.lock() = Some(lines);
            }
            Ok(line)
        });
        outcome.await.map_err(|error| signed(error, OPERATION))
    }
}

impl<R> fmt::Debug for JobOutcomes<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobOutcomes")
            .field("files", &self.files)
            .field("taken", &self.taken)
            .field("seen", &self.seen.len())
            .finish_non_exhaustive()
    }
}
