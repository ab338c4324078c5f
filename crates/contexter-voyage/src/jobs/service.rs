//! Making jobs, waiting for them, and reading what came of them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use contexter_http::{Reply, Request, clean};
use contexter_model::{Error, ErrorKind};
use contexter_resilience::StandardStack;
use contexter_service::{Cx, InvalidConfig};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::client::{Client, NAME};
use crate::jobs::file::Page;
use crate::jobs::{File, Job, JobRequest, JobResults, JobStatus, Polling, Work, lines};
use crate::limits::{MAX_PAGE, MAX_RESULT_BYTES};
use crate::{Config, Model};

/// How long the vendor asks to wait after it refused a further job.
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
const REFUSED_WAIT: Duration = Duration::from_mins(30);

/// The one window that there is.
const WINDOW: &str = "12h";

/// One request with a file in it may take this long.
const TRANSFER_TIMEOUT: Duration = Duration::from_mins(10);
/// The same with its repeats.
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
    client: Client,
    stack: StandardStack,
    pub(crate) polling: Polling,
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

    /// Returns the stack around the requests.
    #[must_use]
    pub fn stack(&self) -> &StandardStack {
        &self.stack
    }

    /// Makes a job of `work`, waits for its end, and reads its results.
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
        let job = self.submit(work).await?;
        let job = self.wait(cx, &job.id).await?;
        self.results(&job, work).await
    }

    /// Sends the lines of `work` and makes a job of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for lines that differ in more than their texts;
    /// [`ErrorKind::RateLimited`] if there are too many jobs, with the half hour that the vendor asks
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
        self.ask("upload_file", Cx::new(), |client| {
            client.api().post("files").field("purpose", "batch").file(
                "file",
                name,
                "application/jsonl",
                lines.clone(),
            )
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
        let mut body = json!({
            "endpoint": endpoint,
            "completion_window": WINDOW,
            "input_file_id": input_file_id,
            "request_params": params,
        });
        if let (Some(body), false) = (body.as_object_mut(), metadata.is_empty()) {
            body.insert("metadata".to_owned(), json!(metadata));
        }
        let once = Cx::new().with_idempotent(false);
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
        self.ask("get_job", Cx::new(), |client| {
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
            .ask("list_jobs", Cx::new(), |client| {
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
        self.ask("cancel_job", Cx::new(), |client| {
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
            .ask("list_files", Cx::new(), |client| client.api().get("files"))
            .await?;
        Ok(page.data)
    }

    /// Returns what is in a file; at most 1 GiB.
    ///
    /// # Errors
    ///
    /// As a request; [`ErrorKind::TooLarge`] for a larger file.
    pub async fn content(&self, file_id: &str) -> Result<Bytes, Error> {
        let reply = self
            .reply("get_file", Cx::new(), |client| {
                client
                    .api()
                    .get("files")
                    .segment(file_id)
                    .segment("content")
                    .max_body(MAX_RESULT_BYTES)
            })
            .await?;
        Ok(reply.into_bytes())
    }

    /// Reads the results of a job that has come to an end, each to its line.
    ///
    /// Of a job that was stopped, the lines that were done by then have replies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a job that failed as a whole, with the vendor's reasons, or that has
    /// not ended; [`ErrorKind::Protocol`] for results that cannot be joined with the lines.
    pub async fn results<R: JobRequest>(
        &self,
        job: &Job,
        work: &Work<R>,
    ) -> Result<JobResults<R::Reply>, Error> {
        let operation = "read_job";
        let refused = |what: String| {
            let message = format!("the job {} {what}", clean(&job.id));
            Err(signed(Error::new(ErrorKind::Invalid, message), operation))
        };
        match &job.status {
            JobStatus::Completed | JobStatus::Cancelled => {}
            JobStatus::Failed => return refused(format!("failed: {}", reasons(job))),
            other => return refused(format!("has not ended: it is {}", clean(other.as_str()))),
        }
        let mut outcomes = BTreeMap::new();
        for id in [&job.output_file_id, &job.error_file_id]
            .into_iter()
            .flatten()
        {
            let content = self.content(id).await?;
            lines::read(work, &content, &mut outcomes).map_err(|error| signed(error, operation))?;
        }
        let results = JobResults::of(work, outcomes);
        if let Some(model) = work.model() {
            let model = Model::named(model, R::KIND);
            self.client
                .account()
                .used_by_job(&model, results.usage.tokens);
        }
        Ok(results)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        cx: Cx,
        request: impl Fn(&Client) -> Request + Send + Sync,
    ) -> Result<T, Error> {
        self.reply(operation, cx, request).await?.json()
    }

    async fn reply(
        &self,
        operation: &'static str,
        cx: Cx,
        request: impl Fn(&Client) -> Request + Send + Sync,
    ) -> Result<Reply, Error> {
        let request = &request;
        let outcome = self
            .stack
            .run(cx, move |_cx| {
                let request = request(&self.client).operation(operation);
                async move { self.client.send(request, "").await }
            })
            .await;
        outcome.map_err(|error| signed(error, operation))
    }
}

pub(crate) fn signed(error: Error, operation: &'static str) -> Error {
    if error.service().is_some() {
        return error;
    }
    error.with_service(NAME).with_operation(operation)
}

fn reasons(job: &Job) -> String {
    /// More would not help.
    const SHOWN: usize = 3;
    let reasons: Vec<String> = job
        .errors()
        .iter()
        .take(SHOWN)
        .map(|error| {
            let message = error.message.as_deref().or(error.code.as_deref());
            let message = clean(message.unwrap_or("it gave no reason"));
            match error.line {
                Some(line) => format!("line {line}: {message}"),
                None => message,
            }
        })
        .collect();
    if reasons.is_empty() {
        "it gave no reason".to_owned()
    } else {
        reasons.join("; ")
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("client", &self.client)
            .field("polling", &self.polling)
            .finish_non_exhaustive()
    }
}
