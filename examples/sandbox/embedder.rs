//! The embedder that the user chose.

use anyhow::{Context as _, Result};
use contexter_local::{EmbedderChoice, MiniLm, ModelFile, ModelSources};
use contexter_sandbox::Embedder;

/// Opens it, getting its model first if need be; `auto` does without a model that cannot be had.
pub(crate) async fn open(choice: &EmbedderChoice, offline: bool) -> Result<Embedder> {
    let sources = ModelSources::default().offline(offline);
    let file = match choice {
        EmbedderChoice::Lexical => return Ok(Embedder::lexical()),
        EmbedderChoice::Path(path) => ModelFile::read(path).with_context(|| {
            format!(
                "--embedder takes auto, minilm, lexical or the path of a model, got {}",
                path.display()
            )
        })?,
        EmbedderChoice::MiniLm => acquire(&sources).await?,
        EmbedderChoice::Auto => match acquire(&sources).await {
            Ok(file) => file,
            Err(error) => {
                eprintln!("vectors compare wording and not meaning: {error:#}");
                return Ok(Embedder::lexical());
            }
        },
    };
    let model = tokio::task::spawn_blocking(move || MiniLm::load(file))
        .await?
        .context("the embedding model cannot be used")?;
    Ok(Embedder::minilm(model))
}

async fn acquire(sources: &ModelSources) -> Result<ModelFile> {
    Ok(sources.acquire(|notice| eprintln!("{notice}")).await?)
}
