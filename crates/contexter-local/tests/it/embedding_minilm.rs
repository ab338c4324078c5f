//! The model against vectors that ONNX Runtime 1.32.0 gave for the same file and texts.

use std::time::Duration;

use contexter_local::{MiniLm, ModelFile};
use serde::Deserialize;

use crate::embedding::{dot, model, sources};

#[derive(Deserialize)]
struct Reference {
    text: String,
    vector: Vec<f32>,
}

#[tokio::test]
async fn vectors_are_those_of_the_reference() {
    let references: Vec<Reference> = include_str!("../data/minilm-vectors.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(references.len() >= 6);
    let texts = references.iter().map(|r| r.text.clone()).collect();
    let vectors = model().await.embed(texts).await.unwrap().vectors;
    for (reference, vector) in references.iter().zip(vectors) {
        let near = dot(&reference.vector, &vector);
        assert!(near > 0.9999, "{:?}: cosine {near}", reference.text);
    }
}

#[tokio::test]
async fn meaning_is_near() {
    let texts = [
        "How long may a request take before it is given up?",
        "The timeout bounds the duration of one attempt.",
        "Bananas are rich in potassium.",
    ];
    let texts = texts.iter().map(ToString::to_string).collect();
    let vectors = model().await.embed(texts).await.unwrap().vectors;
    assert!(dot(&vectors[0], &vectors[1]) > dot(&vectors[0], &vectors[2]) + 0.2);
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_the_model_to_the_others() {
    let model = model().await;
    let many = vec!["a text of some length ".repeat(60); 200];
    let call = tokio::spawn({
        let model = model.clone();
        async move { model.embed(many).await }
    });
    tokio::task::yield_now().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let other = model.embed(vec!["word".to_owned()]);
    let reply = tokio::time::timeout(Duration::from_mins(1), other).await;
    assert_eq!(reply.unwrap().unwrap().vectors.len(), 1);
}

#[tokio::test]
async fn a_short_call_takes_its_turn_in_a_long_one() {
    let model = model().await;
    let many = vec!["a text of some length ".repeat(60); 64];
    let long = tokio::spawn({
        let model = model.clone();
        async move { model.embed(many).await }
    });
    // Wait until the long call computes: its first turn is over when the short one gets its own.
    model.embed(vec!["first".to_owned()]).await.unwrap();
    model.embed(vec!["second".to_owned()]).await.unwrap();
    assert!(
        !long.is_finished(),
        "the short calls waited for all of the long one"
    );
    assert_eq!(long.await.unwrap().unwrap().vectors.len(), 64);
}

#[tokio::test]
async fn a_file_of_ones_own_makes_a_space_of_its_own() {
    drop(model().await);
    let file = sources().acquire(|_| {}).await.unwrap();
    assert!(file.is_pinned());
    let folder = tempfile::tempdir().unwrap();
    let cached = cached_path(&file);
    // A protobuf field that no ONNX reader knows: another file, the same model.
    let mut bytes = std::fs::read(cached).unwrap();
    bytes.extend([0xf8, 0x3f, 0x01]);
    std::fs::write(folder.path().join("model.onnx"), bytes).unwrap();

    let own = ModelFile::read(folder.path()).unwrap();
    assert!(!own.is_pinned());
    let space = own.space_id();
    assert_eq!(space, format!("onnx-{}", &own.sha256()[..12]));
    let model = MiniLm::load(own).unwrap();
    assert_eq!(model.space().id, space);
    let reply = model.embed(vec!["word".to_owned()]).await.unwrap();
    assert_eq!(reply.vectors[0].len(), 384);
}

fn cached_path(file: &ModelFile) -> std::path::PathBuf {
    match file.source() {
        contexter_local::ModelSource::Cache(path) => path.clone(),
        other => panic!("the model was cached before: {other}"),
    }
}
