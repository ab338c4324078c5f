//! The local embedder as a service, and the choice between its engines.

use std::future::poll_fn;
use std::path::PathBuf;
use std::task::Poll;

use contexter_adapter::{HealthStatus, ServiceAdapter};
use contexter_local::{EmbedderChoice, LocalEmbedder, MiniLm, ModelSources, OpenError};
use contexter_model::{DescribeSpace, Embed, Embeddings, Purpose, SpaceKind};
use contexter_resilience::ResilientAdapter;
use contexter_service::Service;
use tokio::sync::OnceCell;

/// Where tests keep the model between runs.
fn model_cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("models")
}

/// Sources that go straight to pip when the cache of the tests is empty.
pub(crate) fn sources() -> ModelSources {
    ModelSources::default()
        .cache(model_cache())
        .hub_url("http://127.0.0.1:1/no-hub-in-tests")
}

/// The model, got once for all tests; they fail without it.
pub(crate) async fn model() -> MiniLm {
    static MODEL: OnceCell<MiniLm> = OnceCell::const_new();
    MODEL
        .get_or_init(|| async {
            let file = sources().acquire(|notice| println!("{notice}")).await;
            MiniLm::load(file.expect("pip gets the model")).expect("the pinned model loads")
        })
        .await
        .clone()
}

async fn embed(embedder: &LocalEmbedder, texts: &[&str]) -> Embeddings {
    let handle = embedder.capabilities().handle::<Embed>().unwrap();
    let request = Embed {
        texts: texts.iter().map(ToString::to_string).collect(),
        purpose: Purpose::Document,
    };
    handle.call(request).await.unwrap()
}

#[tokio::test]
async fn both_engines_keep_the_promises_of_embedding() {
    let long = "a documentation of considerable length ".repeat(25_000);
    assert!(long.len() > 900_000);
    for embedder in [
        LocalEmbedder::lexical(),
        LocalEmbedder::minilm(model().await),
    ] {
        let space = embedder.space();
        assert!(embed(&embedder, &[]).await.vectors.is_empty());
        let texts = [
            "",
            " \n",
            "\u{0}\u{7}",
            "word",
            &long,
            "of the",
            "日本語",
            "\u{301}\u{302}",
        ];
        let reply = embed(&embedder, &texts).await;
        assert_eq!(reply.vectors.len(), texts.len());
        assert!(reply.usage.tokens > 0);
        for (text, vector) in texts.iter().zip(&reply.vectors) {
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            let start = text.get(..20.min(text.len()));
            assert_eq!(vector.len(), space.dimensions, "{start:?}");
            assert!((length - 1.0).abs() < 1e-5, "{start:?}: length {length}");
        }
    }
}

#[tokio::test]
async fn replies_keep_the_order_of_the_texts() {
    let texts: Vec<String> = (0..60)
        .map(|i| "word ".repeat((i * 37) % 50 + 1) + &i.to_string())
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for embedder in [
        LocalEmbedder::lexical(),
        LocalEmbedder::minilm(model().await),
    ] {
        let together = embed(&embedder, &texts).await.vectors;
        for place in [0, 17, 59] {
            let alone = embed(&embedder, &texts[place..=place]).await.vectors;
            let near = dot(&together[place], &alone[0]);
            assert!(near > 0.99999, "{place}: {near}");
        }
    }
}

#[tokio::test]
async fn the_space_is_described_and_the_word_of_the_health_check_is_embedded() {
    for (embedder, kind, id) in [
        (
            LocalEmbedder::lexical(),
            SpaceKind::Lexical,
            "hash-ngram-1024-v1",
        ),
        (
            LocalEmbedder::minilm(model().await),
            SpaceKind::Semantic,
            "all-minilm-l6-v2-int8",
        ),
    ] {
        assert_eq!(embedder.name(), "local_embedding");
        assert!(embedder.capabilities().contains("embedding_generation"));
        let handle = embedder.capabilities().handle::<DescribeSpace>().unwrap();
        let space = handle.call(DescribeSpace).await.unwrap();
        assert_eq!((space.kind, space.id.as_str()), (kind, id));
        assert_eq!(space, embedder.space());

        let health = embedder.health_check().await;
        assert_eq!(health.status, HealthStatus::Healthy);
        assert_eq!(health.details["space"], id);
    }
}

#[tokio::test]
async fn calls_go_through_the_stack() {
    let embedder = LocalEmbedder::lexical();
    assert_eq!(embedder.snapshot().last_operation, None);
    embed(&embedder, &["word"]).await;
    assert!(embedder.snapshot().last_operation.is_some());

    embedder.stack().breaker().unwrap().isolate();
    let handle = embedder.capabilities().handle::<Embed>().unwrap();
    let request = Embed {
        texts: vec!["word".to_owned()],
        purpose: Purpose::Query,
    };
    assert!(handle.call(request).await.unwrap_err().is_rejection());
}

#[tokio::test]
async fn dropped_calls_do_not_count_against_the_embedder() {
    let embedder = LocalEmbedder::minilm(model().await);
    let handle = embedder.capabilities().handle::<Embed>().unwrap();
    for _ in 0..10 {
        let request = Embed {
            texts: vec!["word".to_owned()],
            purpose: Purpose::Query,
        };
        // Begun by one poll and dropped before its answer, however fast the machine.
        let mut call = Box::pin(handle.call(request));
        let begun = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        assert!(begun);
    }
    assert_eq!(embedder.snapshot().failure_count, 0);
    assert_eq!(embed(&embedder, &["word"]).await.vectors.len(), 1);
}

#[tokio::test]
async fn the_counter_of_the_model_is_exact() {
    let embedder = LocalEmbedder::minilm(model().await);
    let text = "Exactly counted, tokens and sub-words alike: unaffable.";
    let counted = embedder.token_counter().count(text) as u64;
    let markers = 2;
    assert_eq!(
        embed(&embedder, &[text]).await.usage.tokens,
        counted + markers
    );
}

#[tokio::test]
async fn auto_falls_back_to_the_lexical_embedder_and_says_why() {
    let nothing = ModelSources::default().cache(None).offline(true);
    let selected = LocalEmbedder::open(&EmbedderChoice::Auto, &nothing, |_| {})
        .await
        .unwrap();
    assert_eq!(selected.embedder.space().kind, SpaceKind::Lexical);
    let notice = selected.notice.unwrap();
    assert!(
        notice.contains("lexical") && notice.contains("offline"),
        "{notice}"
    );
}

#[tokio::test]
async fn auto_takes_the_model_when_it_is_there() {
    drop(model().await);
    let sources = sources().offline(true);
    let selected = LocalEmbedder::open(&EmbedderChoice::Auto, &sources, |_| {})
        .await
        .unwrap();
    assert_eq!(selected.embedder.space().kind, SpaceKind::Semantic);
    assert_eq!(selected.notice, None);
}

#[tokio::test]
async fn minilm_fails_when_its_model_cannot_be_had() {
    let nothing = ModelSources::default().cache(None).offline(true);
    let error = LocalEmbedder::open(&EmbedderChoice::MiniLm, &nothing, |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::Acquire(_)), "{error}");
}

#[tokio::test]
async fn a_path_that_holds_no_model_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.onnx");
    std::fs::write(&bad, "no model").unwrap();
    for path in [
        folder.path().join("missing.onnx"),
        bad,
        folder.path().join("missing-folder/"),
    ] {
        let named = path.display().to_string();
        let choice = EmbedderChoice::Path(path);
        let error = LocalEmbedder::open(&choice, &ModelSources::default(), |_| {})
            .await
            .unwrap_err();
        assert!(error.to_string().contains(&named), "{error}");
    }
}

#[test]
fn a_choice_is_a_word_or_a_path() {
    for text in ["auto", "minilm", "lexical", "./auto", "/models/model.onnx"] {
        let choice: EmbedderChoice = text.parse().unwrap();
        assert_eq!(choice.to_string(), text);
    }
    assert_eq!("auto".parse(), Ok(EmbedderChoice::Auto));
    assert_eq!("./auto".parse(), Ok(EmbedderChoice::Path("./auto".into())));
    let error = "".parse::<EmbedderChoice>().unwrap_err();
    assert!(error.to_string().contains("minilm"), "{error}");
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
