//! The adapters that need nobody.

use contexter_local::{Folder, LocalDocuments, LocalEmbedder};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};

use crate::{docs, embed, store};

#[tokio::test]
async fn the_local_embedder_keeps_the_promises() {
    embed::embedder(&LocalEmbedder::lexical()).await;
}

#[tokio::test]
async fn local_documents_keep_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..8 {
        let text = format!("# Guide {number}\n\nSome words.\n");
        std::fs::write(folder.path().join(format!("{number}.md")), text).unwrap();
    }
    let id = "/local/guides".parse().unwrap();
    let source = Folder::open(folder.path(), Some(id)).await.unwrap();
    let stack = contexter_resilience::StackConfig::new().build().unwrap();
    docs::source(&LocalDocuments::new([source.into()], stack), "guides").await;
}

#[tokio::test]
async fn the_embedded_engine_keeps_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = EmbeddedStore::open(folder.path()).await.unwrap();
    store::store(&EmbeddedQdrant::new(embedded), "promises").await;
}
