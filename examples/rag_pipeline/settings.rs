//! Settings: defaults, then the configuration file, then the environment, then flags.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use contexter_config::Loader;
use contexter_local::EmbedderChoice;
use contexter_rag::{Fusion, Mode};
use contexter_resilience::StackConfig;
use serde::Deserialize;

use crate::cli::Common;

/// Everything that a configuration file may set.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where the index is kept.
    pub(crate) data: Option<PathBuf>,
    /// What embeds text: `auto`, `minilm`, `lexical` or a path.
    pub(crate) embedder: String,
    /// Never download a model.
    pub(crate) offline: bool,
    /// The name of the collection.
    pub(crate) collection: String,
    pub(crate) search: SearchSettings,
    pub(crate) services: Services,
}

/// How a search goes when no flag says otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SearchSettings {
    pub(crate) mode: Mode,
    pub(crate) limit: usize,
    /// By default DBSF with a semantic embedder and min-max 0.7/0.3 with a lexical one.
    pub(crate) fusion: Option<Fusion>,
}

/// The mechanisms around each service; by default those that suit a service in this process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Services {
    pub(crate) local_documents: Option<StackConfig>,
    pub(crate) local_embedding: Option<StackConfig>,
    pub(crate) qdrant: Option<StackConfig>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: None,
            embedder: "auto".to_owned(),
            offline: false,
            collection: "documentation".to_owned(),
            search: SearchSettings::default(),
            services: Services::default(),
        }
    }
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Hybrid,
            limit: 5,
            fusion: None,
        }
    }
}

impl Settings {
    /// Reads the settings that the flags name and lays the flags over them.
    pub(crate) fn load(flags: &Common) -> Result<Self> {
        let mut loader = Loader::new();
        if let Some(file) = &flags.config {
            loader = loader.file(file);
        }
        let config = loader
            .from_env("CONTEXTER")
            .load::<Self>()
            .context("the settings cannot be used")?;
        let mut settings = (*config.current()).clone();
        if let Some(data) = &flags.data {
            settings.data = Some(data.clone());
        }
        if let Some(embedder) = &flags.embedder {
            settings.embedder.clone_from(embedder);
        }
        settings.offline |= flags.offline;
        Ok(settings)
    }

    /// Returns where the index is kept: `.contexter` unless something else is set.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| ".contexter".into())
    }

    /// Returns the embedder that was asked for; `CONTEXTER_MODEL` names one where nothing else does.
    pub(crate) fn choice(&self) -> Result<EmbedderChoice> {
        match std::env::var_os("CONTEXTER_MODEL") {
            Some(path) if self.embedder == "auto" => Ok(EmbedderChoice::Path(path.into())),
            _ => Ok(self.embedder.parse()?),
        }
    }
}
