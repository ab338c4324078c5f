//! The Voyage AI adapter against the local server of the vendor's protocol: all that can be asked,
//! and all that the server refuses.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::{HealthStatus, ServiceAdapter as _};
use contexter_model::{Embed, Error, ErrorKind, Purpose, Rerank};
use contexter_sandbox::{Sandbox, SandboxConfig, Tier, VoyageConfig};
use contexter_service::{Capability, Cx, Service as _};
use contexter_voyage::{
    Chunking, Config, Content, Dtype, EmbedChunks, EmbedMultimodal, EmbedTexts, Polling,
    RetryConfig, Transport, Vectors, VoyageAdapter, Work,
};

const DEADLINE: Duration = Duration::from_mins(1);

/// The head of an image of 2 × 3 pixels.
const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0,
    2, 0, 0, 0, 3, 8, 2, 0, 0, 0,
];

async fn sandbox(voyage: VoyageConfig) -> Sandbox {
    Sandbox::start(SandboxConfig::new().voyage(voyage))
        .await
        .unwrap()
}

fn config(sandbox: &Sandbox) -> Config {
    let millisecond = Duration::from_millis(1);
    Config::new(sandbox.voyage().api_key())
        .with_base_url(sandbox.addresses().voyage_base_url.clone())
        .with_output_dimension(256)
        .with_retry_config(
            RetryConfig::new()
                .with_max_attempts(1)
                .with_base_delay(millisecond)
                .with_max_delay(millisecond),
        )
}

async fn call<R>(adapter: &VoyageAdapter, request: R) -> Result<R::Response, Error>
where
    R: Capability<Error = Error>,
{
    let handle = adapter.capabilities().handle::<R>().unwrap();
    tokio::time::timeout(DEADLINE, handle.call(request))
        .await
        .unwrap_or_else(|_elapsed| panic!("no answer within {DEADLINE:?}"))
}

fn document(texts: Vec<String>) -> Embed {
    Embed {
        texts,
        purpose: Purpose::Document,
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn more_texts_than_one_request_takes_come_back_in_order() {
    let sandbox = sandbox(VoyageConfig::new()).await;
    let adapter = VoyageAdapter::new(config(&sandbox)).unwrap();
    let texts: Vec<String> = (0..1_500)
        .map(|number| format!("page {number} of the guide"))
        .collect();
    let all = call(&adapter, document(texts.clone())).await.unwrap();
    assert_eq!(all.vectors.len(), 1_500);
    assert!(sandbox.voyage().requests() >= 2);
    assert_eq!(all.usage.tokens, sandbox.voyage().tokens_billed());
    assert_eq!(adapter.usage().tokens, sandbox.voyage().tokens_billed());
    for place in [0, 999, 1_000, 1_499] {
        let one = call(&adapter, document(vec![texts[place].clone()]))
            .await
            .unwrap();
        assert_eq!(one.vectors[0], all.vectors[place], "{place}");
        assert!((cosine(&one.vectors[0], &one.vectors[0]) - 1.0).abs() < 1e-3);
    }
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Healthy);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn every_type_of_value_is_the_same_both_ways() {
    let sandbox = sandbox(VoyageConfig::new()).await;
    let adapter = VoyageAdapter::new(config(&sandbox)).unwrap();
    for dtype in [
        Dtype::Float,
        Dtype::Int8,
        Dtype::Uint8,
        Dtype::Binary,
        Dtype::Ubinary,
    ] {
        let ask = |transport| {
            let request = EmbedTexts::new(["spawn a task", "read a file"], Purpose::Document)
                .with_dtype(dtype)
                .with_dimension(512)
                .with_transport(transport);
            call(&adapter, request)
        };
        let list = ask(Transport::List).await.unwrap();
        let base64 = ask(Transport::Base64).await.unwrap();
        assert_eq!(list.vectors.len(), 2);
        match (&list.vectors, &base64.vectors) {
            (Vectors::Float(list), Vectors::Float(base64)) => {
                for (list, base64) in list.iter().zip(base64) {
                    assert!(cosine(list, base64) > 0.999);
                }
            }
            (list, base64) => assert_eq!(list, base64, "{dtype:?}"),
        }
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn models_of_one_series_share_a_space() {
    let sandbox = sandbox(VoyageConfig::new()).await;
    let settings = config(&sandbox)
        .with_model("voyage-4-large")
        .with_query_model("voyage-4-lite");
    let adapter = VoyageAdapter::new(settings).unwrap();
    let texts = vec![
        "spawn a task".to_owned(),
        "the colour of the sea".to_owned(),
    ];
    let documents = call(&adapter, document(texts)).await.unwrap();
    let query = Embed {
        texts: vec!["spawn a task".to_owned()],
        purpose: Purpose::Query,
    };
    let query = call(&adapter, query).await.unwrap();
    let near = cosine(&query.vectors[0], &documents.vectors[0]);
    let far = cosine(&query.vectors[0], &documents.vectors[1]);
    assert!(near > far, "{near} {far}");
    let models: Vec<String> = adapter.usage().models.into_keys().collect();
    assert_eq!(models, ["voyage-4-large", "voyage-4-lite"]);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn orders_chunks_and_images() {
    let sandbox = sandbox(VoyageConfig::new()).await;
    let adapter = VoyageAdapter::new(config(&sandbox)).unwrap();
    let order =
        Rerank::new("spawn a task", ["bake a cake", "spawn a task", "a task"]).with_limit(2);
    let ranked = call(&adapter, order).await.unwrap();
    assert_eq!(ranked.ranking.len(), 2);
    assert_eq!(ranked.ranking[0].index, 1);

    let chunks = EmbedChunks::documents([vec!["first chunk", "second"], vec!["alone"]]);
    let chunks = call(&adapter, chunks).await.unwrap();
    let counts: Vec<usize> = chunks.documents.iter().map(|d| d.vectors.len()).collect();
    assert_eq!(counts, [2, 1]);
    let queries = call(&adapter, EmbedChunks::queries(["one?", "two?"]))
        .await
        .unwrap();
    assert_eq!(queries.documents.len(), 2);
    let long = "a sentence of some words. ".repeat(200);
    let made = EmbedChunks::documents([[long]]).with_chunking(Chunking::new(64, 8));
    let made = call(&adapter, made).await.unwrap();
    let texts = made.documents[0].texts.as_ref().unwrap();
    assert!(texts.len() > 1);
    assert_eq!(texts.len(), made.documents[0].vectors.len());
    assert!(made.chunker_version.is_some());

    let inputs = vec![
        vec![
            Content::text("A wiring diagram"),
            Content::image(PNG).unwrap(),
        ],
        vec![Content::image_url("https://example.org/a.jpg")],
    ];
    for transport in [Transport::List, Transport::Base64] {
        let request = EmbedMultimodal::new(inputs.clone(), Purpose::Document)
            .with_dimension(512)
            .with_transport(transport);
        let reply = call(&adapter, request).await.unwrap();
        assert_eq!(reply.vectors.len(), 2);
        assert!(reply.usage.image_pixels > 0);
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_count_that_is_too_low_costs_requests_and_nothing_else() {
    let sandbox = sandbox(VoyageConfig::new()).await;
    let settings = config(&sandbox).with_model("voyage-4-large");
    // Everything seems to fit into one request, of 200,000 tokens.
    let adapter = VoyageAdapter::builder()
        .token_counter(Arc::new(|_: &str| 0))
        .build(settings)
        .unwrap();
    let texts: Vec<String> = (0..400)
        .map(|number| format!("{number} {}", "word ".repeat(500)))
        .collect();
    let reply = call(&adapter, document(texts.clone())).await.unwrap();
    assert_eq!(reply.vectors.len(), 400);
    let last = call(&adapter, document(vec![texts[399].clone()]))
        .await
        .unwrap();
    assert_eq!(reply.vectors[399], last.vectors[0]);
    assert!(sandbox.voyage().refused() >= 1);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_text_that_is_too_long_is_cut_or_named() {
    let sandbox = sandbox(VoyageConfig::new()).await;
    let adapter = VoyageAdapter::new(config(&sandbox)).unwrap();
    let texts = vec!["short".to_owned(), "word ".repeat(33_000)];
    let reply = call(&adapter, document(texts.clone())).await.unwrap();
    assert_eq!(reply.vectors.len(), 2);
    let request = EmbedTexts::new(texts, Purpose::Document).with_truncation(false);
    let error = call(&adapter, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(
        error.message().starts_with("text 1 of 2 is too large: "),
        "{error}"
    );
    sandbox.shutdown().await;
}

#[tokio::test]
async fn refusals_have_their_kinds() {
    let sandbox = sandbox(
        VoyageConfig::new()
            .retired("voyage-3.5", "voyage-4")
            .foreign_key("al-foreign-0123456789"),
    )
    .await;
    let kind = async |settings: Config| {
        let adapter = VoyageAdapter::new(settings).unwrap();
        let error = call(&adapter, document(vec!["text".to_owned()]))
            .await
            .unwrap_err();
        assert_eq!(error.service(), Some("voyage_ai"));
        error.kind()
    };
    let url = sandbox.addresses().voyage_base_url.clone();
    let wrong = Config::new("pa-wrong-0123456789").with_base_url(url.clone());
    assert_eq!(kind(wrong).await, ErrorKind::Unauthorized);
    let foreign = Config::new("al-foreign-0123456789").with_base_url(url);
    assert_eq!(kind(foreign).await, ErrorKind::Unauthorized);
    let retired = config(&sandbox).with_model("voyage-3.5");
    assert_eq!(kind(retired).await, ErrorKind::Unsupported);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_account_without_a_payment_method_is_told_so() {
    let sandbox = sandbox(VoyageConfig::new().tier(Tier::Unpaid)).await;
    let adapter = VoyageAdapter::new(config(&sandbox)).unwrap();
    let mut last = Ok(());
    for _ in 0..4 {
        last = call(&adapter, document(vec!["text".to_owned()]))
            .await
            .map(drop);
    }
    let error = last.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted, "{error}");
    assert!(error.message().contains("payment method"), "{error}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_batch_job_is_done_and_joined_by_id() {
    let sandbox = sandbox(VoyageConfig::new()).await;
    let adapter = VoyageAdapter::new(config(&sandbox)).unwrap();
    let line = |text: &str| {
        EmbedTexts::new([text], Purpose::Document)
            .with_model("voyage-4")
            .with_dimension(256)
    };
    let work = Work::new((0..20).map(|number| {
        let text = format!("page {number}");
        (format!("doc-{number}"), line(&text))
    }))
    .unwrap();
    let polling = Polling::new(Duration::from_millis(5), Duration::from_millis(50));
    let jobs = adapter.jobs().with_polling(polling);
    let results = tokio::time::timeout(DEADLINE, jobs.run(Cx::new(), &work))
        .await
        .unwrap()
        .unwrap();
    assert!(results.failed.is_empty(), "{:?}", results.failed);
    assert_eq!(results.done.len(), 20);
    let seven = call(&adapter, line("page 7")).await.unwrap();
    assert_eq!(results.done["doc-7"].vectors, seven.vectors);
    let listed = jobs.list(10, None).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].status.is_final());
    sandbox.shutdown().await;
}
