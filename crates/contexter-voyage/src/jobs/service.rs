//! Making jobs, waiting for them, and reading what came of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contexter_http::{Incoming, Request};
use contexter_model::{Error, ErrorKind};
use contexter_resilience::StandardStack;
use contexter_service::{Cx, InvalidConfig};
use parking_lot::Mutex;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value, json};

use crate::Config;
use crate::client::{Client, NAME, TRANSFER_TIMEOUT};
use crate::jobs::file::Page;
use crate::jobs::{File, Job, JobRequest, JobResults, Polling, Work};
use crate::limits::{MAX_FILE_BYTES, MAX_METADATA, MAX_PAGE};

/// How long the vendor asks to wait after it refused a further job.
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
const REFUSED_WAIT: Duration = Duration::from_mins(30);

/// The one window that there is.
const WINDOW: &str = "12h";

/// A request with a file in it, or the next line of one, with its repeats.
const TRANSFER_DEADLINE: Duration = Duration::from_mins(30);

/// The files and batch jobs of the account, under a stack of their own without quotas.
///
/// A job costs a third less and is done within 12 hours. Its limits are those of the organisation:
/// 100,000 inputs in a job, 100 jobs and a billion tokens at once. Whether MongoDB's hosts serve jobs
/// is not known; a host that does not answers [`ErrorKind::NotFound`].
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
///
/// # Examples
///
/// ```no_run
/// # async fn example(voyage: contexter_voyage::VoyageAdapter) -> Result<(), contexter_model::Error> {
/// use contexter_model::Purpose;
/// use contexter_service::Cx;
/// use contexter_voyage::{EmbedTexts, Work};
///
/// let line = |text: &str| EmbedTexts::new([text], Purpose::Document).with_model("voyage-4");
/// let work = Work::new([("doc-1", line("first")), ("doc-2", line("second"))])?;
/// let results = voyage.jobs().run(Cx::new(), &work).await?;
/// for (id, error) in &results.failed {
///     println!("{id}: {error}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Jobs {
    pub(crate) client: Client,
    pub(crate) stack: StandardStack,
    pub(crate) polling: Polling,
    /// What bounds the requests of this handle.
    pub(crate) cx: Cx,
    /// Of how many lines of the results of a job, by its id, the use has been counted.
    pub(crate) counted: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Jobs {
    pub(crate) fn new(client: Client, config: &Config) -> Result<Self, InvalidConfig> {
        let settings = config
            .stack_without_quotas()
            .attempt_timeout(TRANSFER_TIMEOUT)
            .deadline(TRANSFER_DEADLINE);
        Ok(Self {
            client,
            stack: StandardStack::new(settings)?.named("voyage_ai_jobs"),
            polling: Polling::default(),
            cx: Cx::new(),
            counted: Arc::default(),
        })
    }

    /// Returns a handle that asks for jobs at other times.
    #[must_use]
    pub fn with_polling(&self, polling: Polling) -> Self {
        Self {
            polling,
            ..self.clone()
        }
    }

    /// Returns a handle whose requests end by the deadline of `cx`, and by that of this handle.
    #[must_use]
    pub fn within(&self, cx: Cx) -> Self {
        let own = self.cx.deadline();
        Self {
            cx: own.map_or(cx, |deadline| cx.with_deadline(deadline)),
            ..self.clone()
        }
    }

    /// Returns the stack around the requests.
    #[must_use]
    pub fn stack(&self) -> &StandardStack {
        &self.stack
    }

    /// Makes a job of `work`, waits for its end, and reads its results; all by the deadline of `cx`.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit), [`wait`](Self::wait) and [`results`](Self::results).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the job.
    pub async fn run<R: JobRequest>(
        &self,
        cx: Cx,
        work: &Work<R>,
    ) -> Result<JobResults<R::Reply>, Error> {
        let jobs = self.within(cx);
        let job = jobs.submit(work).await?;
        let job = jobs.wait(cx, &job.id).await?;
        jobs.results(&job, work).await
    }

    /// Sends the lines of `work` and makes a job of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for lines that differ in more than their texts, and for more than 16 entries
    /// of metadata; [`ErrorKind::RateLimited`] if there are too many jobs, with the half hour that the vendor asks
    /// to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a file, or a job that nobody knows.
    pub async fn submit<R: JobRequest>(&self, work: &Work<R>) -> Result<Job, Error> {
        let (lines, params) = work.write().map_err(|error| signed(error, "submit_job"))?;
        let file = self.upload("input.jsonl", lines).await?;
        self.create(R::ENDPOINT, &file.id, &params, work.metadata())
            .await
    }

    /// Sends a file of lines.
    ///
    /// # Errors
    ///
    /// As a request.
    pub async fn upload(&self, name: &str, lines: impl Into<Bytes>) -> Result<File, Error> {
        let lines = lines.into();
        self.ask("upload_file", self.cx, |client| {
            client
                .transfers()
                .post("files")
                .field("purpose", "batch")
                .file("file", name, "application/jsonl", lines.clone())
        })
        .await
    }

    /// Makes a job of a file. It is repeated only where it was surely not sent: two jobs cost twice.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub async fn create(
        &self,
        endpoint: &str,
        input_file_id: &str,
        params: &Map<String, Value>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Job, Error> {
        if metadata.len() > MAX_METADATA {
            let entries = metadata.len();
            let message =
                format!("{entries} entries of metadata, at most {MAX_METADATA} are allowed");
            return Err(signed(
                Error::new(ErrorKind::Invalid, message),
                "create_job",
            ));
        }
        let mut body = json!({
            "endpoint": endpoint,
            "completion_window": WINDOW,
            "input_file_id": input_file_id,
            "request_params": params,
        });
        if let (Some(body), false) = (body.as_object_mut(), metadata.is_empty()) {
            body.insert("metadata".to_owned(), json!(metadata));
        }
        let once = self.cx.with_idempotent(false);
        let made = self
            .ask("create_job", once, |client| {
                client.api().post("batches").json(&body)
            })
            .await;
        made.map_err(|error| match error.kind() {
            ErrorKind::RateLimited if error.retry_after().is_none() => {
                error.with_retry_after(Some(REFUSED_WAIT))
            }
            _ => error,
        })
    }

    /// Returns a job as it is now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for an id that is not known.
    pub async fn get(&self, id: &str) -> Result<Job, Error> {
        self.ask("get_job", self.cx, |client| {
            client.api().get("batches").segment(id)
        })
        .await
    }

    /// Returns jobs, the newest first: at most 100, and those after the job `after`.
    ///
    /// # Errors
    ///
    /// As a request.
    pub async fn list(&self, limit: usize, after: Option<&str>) -> Result<Vec<Job>, Error> {
        let page: Page<Job> = self
            .ask("list_jobs", self.cx, |client| {
                let request = client
                    .api()
                    .get("batches")
                    .query("limit", limit.clamp(1, MAX_PAGE));
                match after {
                    Some(id) => request.query("after", id),
                    None => request,
                }
            })
            .await?;
        Ok(page.data)
    }

    /// Tells a job to stop. It does so within 10 minutes; [`wait`](Self::wait) waits for that.
    ///
    /// # Errors
    ///
    /// As a request.
    pub async fn cancel(&self, id: &str) -> Result<Job, Error> {
        self.ask("cancel_job", self.cx, |client| {
            client.api().post("batches").segment(id).segment("cancel")
        })
        .await
    }

    /// Returns the files of the account.
    ///
    /// # Errors
    ///
    /// As a request.
    pub async fn files(&self) -> Result<Vec<File>, Error> {
        let page: Page<File> = self
            .ask("list_files", self.cx, |client| client.api().get("files"))
            .await?;
        Ok(page.data)
    }

    /// Returns a file of the account. That there is such a request is not documented for certain.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for an id that is not known.
    pub async fn file(&self, id: &str) -> Result<File, Error> {
        self.ask("get_file", self.cx, |client| {
            client.api().get("files").segment(id)
        })
        .await
    }

    /// Returns what is in a file; at most 1 GiB. Results of a job are better read by
    /// [`outcomes`](Self::outcomes), whatever their size.
    ///
    /// # Errors
    ///
    /// As a request; [`ErrorKind::TooLarge`] for a larger file.
    pub async fn content(&self, file_id: &str) -> Result<Bytes, Error> {
        let read = self.stack.run(self.cx, |_cx| async {
            let file = self.open_file(file_id, MAX_FILE_BYTES).await?;
            file.whole().await
        });
        let reply = read.await.map_err(|error| signed(error, "get_file"))?;
        Ok(reply.into_bytes())
    }

    /// Asks for the content of a file, once.
    pub(crate) async fn open_file(&self, id: &str, limit: u64) -> Result<Incoming, Error> {
        let request = self.client.transfers().get("files").segment(id);
        let request = request.segment("content").operation("get_file");
        let request = request.max_body(limit);
        self.client.open(request).await
    }

    /// Whether the account's jobs can be listed: a request without a model, tokens or repeats.
    pub(crate) async fn are_listed(&self) -> bool {
        let request = self.client.api().get("batches").query("limit", 1);
        let reply = self
            .client
            .send(request.operation("health_check"), "")
            .await;
        reply.is_ok_and(|reply| reply.json::<Page<IgnoredAny>>().is_ok())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        cx: Cx,
        request: impl Fn(&Client) -> Request + Send + Sync,
    ) -> Result<T, Error> {
        let request = &request;
        let outcome = self.stack.run(cx, move |_cx| {
            let request = request(&self.client).operation(operation);
            async move { self.client.send(request, "").await }
        });
        let reply = outcome.await.map_err(|error| signed(error, operation))?;
        reply.json()
    }
}

pub(crate) fn signed(error: Error, operation: &'static str) -> Error {
    if error.service().is_some() {
        return error;
    }
    error.with_service(NAME).with_operation(operation)
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("client", &self.client)
            .field("polling", &self.polling)
            .finish_non_exhaustive()
    }
}
