//! The calls of the Voyage AI adapter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_model::{Embed, Error, Purpose, Rerank};
use contexter_sandbox::{Sandbox, SandboxConfig, Server, VoyageConfig};
use contexter_service::{Capability, Cx, Service};
use contexter_voyage::{
    Chunking, Config, Content, Dtype, EmbedChunks, EmbedMultimodal, EmbedTexts, Job, Polling,
    RerankTexts, RetryConfig, Transport, VoyageAdapter, Work,
};
use serde_json::json;

use crate::leaks::MARK;
use crate::matrix::{self, Call, Ground, PATIENT, deadline};
use crate::wire::Wire;
use crate::{cases, echoes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call_of_voyage() {
    let mut cases = cases::http();
    cases.extend(echoes::http(&[key()]));
    matrix::run(Server::Voyage, &cases, async || ground(Wire::Http1).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call_of_voyage_over_http2() {
    let cases = cases::http();
    matrix::run(Server::Voyage, &cases, async || ground(Wire::Http2).await).await;
}

/// With letters that are written otherwise in an address and in JSON.
fn key() -> String {
    format!("pa-/{MARK}\"+v")
}

async fn ground(wire: Wire) -> Ground<VoyageAdapter> {
    let voyage = VoyageConfig::new()
        .api_key(key())
        .requests_per_minute(1_000_000);
    let sandbox = Sandbox::start(SandboxConfig::new().voyage(voyage))
        .await
        .unwrap();
    let addresses = sandbox.addresses();
    let reached = wire.to(&addresses.voyage_base_url).await;
    let config = Config::new(addresses.voyage_api_key.clone())
        .with_base_url(reached.base_url.as_str())
        .with_output_dimension(256)
        .with_rate_limit(1_000_000)
        .with_retry_config(
            RetryConfig::new()
                .with_max_attempts(2)
                .with_base_delay(Duration::from_millis(10))
                .with_max_delay(Duration::from_millis(50)),
        );
    let make = move |limit| {
        let config = config.clone().with_timeout(limit);
        let stack = config.stack().deadline(deadline(limit)).build().unwrap();
        VoyageAdapter::with_http(config, reached.http(), stack).unwrap()
    };
    let prepared = Prepared::new(&make(PATIENT)).await;
    Ground {
        sandbox,
        make: Box::new(make),
        calls: calls(prepared),
    }
}

/// How often a job is looked at.
const POLLED: Duration = Duration::from_millis(5);

/// What the calls of batch jobs are about.
struct Prepared {
    file: String,
    work: Work<EmbedTexts>,
    /// It has come to an end.
    job: Job,
}

impl Prepared {
    async fn new(adapter: &VoyageAdapter) -> Self {
        let jobs = adapter.jobs();
        let jobs = jobs.with_polling(Polling::new(POLLED, POLLED));
        let line = EmbedTexts::new(["one"], Purpose::Document).with_model("voyage-4");
        let work = Work::new([("a", line)]).unwrap();
        let job = jobs.submit(&work).await.unwrap();
        let job = jobs.wait(Cx::new(), &job.id).await.unwrap();
        Self {
            file: job.input_file_id.clone().unwrap(),
            work,
            job,
        }
    }
}

async fn ask<R>(adapter: &VoyageAdapter, request: R) -> Result<R::Response, Error>
where
    R: Capability<Error = Error> + Send + 'static,
{
    let handle = adapter.capabilities().handle::<R>().unwrap();
    handle.call(request).await
}

fn calls(prepared: Prepared) -> Vec<Call<VoyageAdapter>> {
    let mut calls = requests();
    calls.extend(jobs(prepared));
    calls
}

fn requests() -> Vec<Call<VoyageAdapter>> {
    let texts = || vec!["one text".to_owned(), "another".to_owned()];
    vec![
        Call::new("embed", move |adapter| async move {
            let texts = texts();
            let purpose = Purpose::Document;
            let reply = ask(&adapter, Embed { texts, purpose }).await?;
            assert_eq!(reply.vectors.len(), 2);
            assert!(reply.vectors.iter().all(|vector| vector.len() == 256));
            assert!(reply.usage.tokens > 0);
            Ok(())
        }),
        Call::new("embed texts", move |adapter| async move {
            let request = EmbedTexts::new(texts(), Purpose::Query).with_dimension(512);
            let reply = ask(&adapter, request).await?;
            assert_eq!(reply.vectors.len(), 2);
            Ok(())
        }),
        Call::new("rerank", |adapter| async move {
            let reply = ask(
                &adapter,
                Rerank::new("http header", ["bears", "http header"]),
            )
            .await?;
            let order: Vec<usize> = reply.ranking.iter().map(|ranked| ranked.index).collect();
            assert_eq!(order, [1, 0]);
            Ok(())
        }),
        Call::new("rerank texts", |adapter| async move {
            let order = Rerank::new("http header", ["bears", "http header"]).with_limit(1);
            let reply = ask(&adapter, RerankTexts::new(order)).await?;
            assert_eq!(reply.ranking.len(), 1);
            assert_eq!(reply.ranking[0].index, 1);
            Ok(())
        }),
        Call::new("embed chunks", |adapter| async move {
            let request = EmbedChunks::documents([vec!["a", "b"], vec!["c"]]);
            let reply = ask(&adapter, request).await?;
            let counts: Vec<usize> = reply
                .documents
                .iter()
                .map(|document| document.vectors.len())
                .collect();
            assert_eq!(counts, [2, 1]);
            Ok(())
        }),
        Call::new("embed chunks that the vendor cuts", |adapter| async move {
            let text = "a long text that is cut ".repeat(40);
            let request = EmbedChunks::documents([vec![text]]).with_chunking(Chunking::new(32, 0));
            let reply = ask(&adapter, request).await?;
            assert_eq!(reply.documents.len(), 1);
            assert!(reply.documents[0].vectors.len() > 1);
            Ok(())
        }),
        Call::new("embed in bytes", move |adapter| async move {
            let request = EmbedTexts::new(texts(), None)
                .with_dtype(Dtype::Int8)
                .with_transport(Transport::List);
            let reply = ask(&adapter, request).await?;
            assert_eq!(reply.vectors.len(), 2);
            Ok(())
        }),
        Call::new("embed multimodal", |adapter| async move {
            let input = vec![Content::Text("a diagram".to_owned())];
            let request = EmbedMultimodal::new(vec![input], Purpose::Document);
            let reply = ask(&adapter, request).await?;
            assert_eq!(reply.vectors.len(), 1);
            Ok(())
        }),
    ]
}

fn jobs(prepared: Prepared) -> Vec<Call<VoyageAdapter>> {
    let Prepared { file, work, job } = prepared;
    let (created, read, found) = (file.clone(), file.clone(), file);
    let (seen, listed) = (job.id.clone(), job.id.clone());
    let ended = Arc::new((job, work));
    vec![
        Call::within(
            "upload a file",
            |adapter: Arc<VoyageAdapter>, cx| async move {
                let file = adapter.jobs().within(cx).upload("a.jsonl", "{}").await?;
                assert!(file.id.starts_with("file-"), "{}", file.id);
                Ok(())
            },
        ),
        Call::within("create a job", move |adapter: Arc<VoyageAdapter>, cx| {
            let file = created.clone();
            async move {
                let params = json!({"model": "voyage-4"});
                let params = params.as_object().unwrap();
                let metadata = BTreeMap::new();
                let jobs = adapter.jobs().within(cx);
                let job = jobs
                    .create("/v1/embeddings", &file, params, &metadata)
                    .await?;
                assert_eq!(job.input_file_id.as_deref(), Some(file.as_str()));
                // As many as may be under way would soon be there.
                jobs.cancel(&job.id).await.map(drop)
            }
        }),
        Call::within("see a job", move |adapter: Arc<VoyageAdapter>, cx| {
            let id = seen.clone();
            async move {
                let job = adapter.jobs().within(cx).get(&id).await?;
                assert_eq!(job.id, id);
                Ok(())
            }
        }),
        Call::within("list jobs", move |adapter: Arc<VoyageAdapter>, cx| {
            let id = listed.clone();
            async move {
                let jobs = adapter.jobs().within(cx).list(100, None).await?;
                assert!(!jobs.is_empty() && jobs.iter().all(|job| job.id >= id));
                Ok(())
            }
        }),
        Call::within("read a file", move |adapter: Arc<VoyageAdapter>, cx| {
            let id = read.clone();
            async move {
                // A file may hold anything, so that what was cut on its way is told by who reads it.
                adapter.jobs().within(cx).content(&id).await.map(drop)
            }
        }),
        Call::within("list files", move |adapter: Arc<VoyageAdapter>, cx| {
            let id = found.clone();
            async move {
                let files = adapter.jobs().within(cx).files().await?;
                assert!(files.iter().any(|file| file.id == id));
                Ok(())
            }
        }),
        Call::within("read results", move |adapter: Arc<VoyageAdapter>, cx| {
            let ended = Arc::clone(&ended);
            async move {
                let (job, work) = &*ended;
                let results = adapter.jobs().within(cx).results(job, work).await?;
                // A line that is not in the file has failed.
                if let Some(error) = results.failed.get("a") {
                    return Err(error.clone());
                }
                assert_eq!(results.done["a"].vectors.len(), 1);
                Ok(())
            }
        }),
    ]
}
