//! Where the documents to index come from: a folder, the crates of a `Cargo.lock`, Context7, web
//! pages by Bright Data.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use contexter_adapter::ServiceAdapter;
use contexter_brightdata::BrightDataAdapter;
use contexter_context7::Context7Adapter;
use contexter_local::{CargoLock, DocumentSource, Folder, LocalDocuments, default_registry};
use contexter_model::{LibraryId, ResolveLibrary, Skipped};
use contexter_service::{Handle, Service as _};

use crate::routed::Routed;
use crate::settings::Settings;

/// A document source, and which of its libraries to index.
pub(crate) struct Documents {
    pub(crate) adapter: Arc<dyn ServiceAdapter>,
    pub(crate) libraries: Vec<LibraryId>,
    pub(crate) skipped: Vec<Skipped>,
    /// What each library stands for in the data folder: where it comes from.
    pub(crate) origins: Vec<(PathBuf, Vec<LibraryId>)>,
}

impl Documents {
    /// Returns where a library comes from.
    pub(crate) fn origin(&self, library: &LibraryId) -> Option<&Path> {
        let mut origins = self.origins.iter();
        let found = origins.find(|(_, libraries)| libraries.contains(library));
        found.map(|(origin, _)| &**origin)
    }
}

/// Nothing says what to index.
#[derive(Debug)]
pub(crate) struct NoSource;

impl fmt::Display for NoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "nothing to index: give --source DIR, or a configuration with services.context7 and \
             libraries: [/owner/name, …] (or --library), or with services.brightdata.libraries",
        )
    }
}

impl std::error::Error for NoSource {}

/// Opens a folder or a lock file if one is given, and else the services that are configured.
pub(crate) async fn open(
    settings: &Settings,
    path: Option<&Path>,
    library: Option<LibraryId>,
) -> Result<Documents> {
    match path {
        Some(path) => open_local(settings, path, library).await,
        None => open_remote(settings, library).await,
    }
}

async fn open_local(
    settings: &Settings,
    path: &Path,
    library: Option<LibraryId>,
) -> Result<Documents> {
    let stack = settings
        .services
        .local_documents
        .clone()
        .unwrap_or_default()
        .build()?;
    if !path.is_file() {
        let folder = Folder::open(path, library).await?;
        let id = folder.library().id.clone();
        return Ok(Documents {
            adapter: Arc::new(LocalDocuments::new([DocumentSource::new(folder)], stack)),
            libraries: vec![id.clone()],
            skipped: Vec::new(),
            origins: vec![(path.canonicalize()?, vec![id])],
        });
    }
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let lock = CargoLock::open(path, default_registry(cargo_home)?)
        .await
        .context("--source takes a folder or a Cargo.lock")?;
    let all = ResolveLibrary {
        name: String::new(),
        limit: usize::MAX,
    };
    let mut libraries: Vec<LibraryId> = lock
        .call(all)
        .await?
        .into_iter()
        .map(|found| found.id)
        .collect();
    let mut skipped = lock.skipped().to_vec();
    if let Some(wanted) = library {
        libraries.retain(|id| *id == wanted);
        if libraries.is_empty() {
            let name = format!("{} {}", wanted.name(), wanted.version().unwrap_or_default());
            let known = skipped.iter().find(|skip| skip.path == name);
            let why = known.map_or("it is not among its crates", |skip| &skip.reason);
            bail!("{wanted} cannot be indexed from {}: {why}", path.display());
        }
        skipped.clear();
    } else if let own @ 1.. = lock.own().len() {
        eprintln!(
            "note: {own} crates of the workspace itself are left out; index their folders instead"
        );
    }
    Ok(Documents {
        adapter: Arc::new(LocalDocuments::new([DocumentSource::new(lock)], stack)),
        // A crate is the same wherever it is locked, so that no path claims it.
        origins: Vec::new(),
        libraries,
        skipped,
    })
}

/// Opens Context7 for the libraries that are named, and Bright Data for those that are lists of
/// pages.
async fn open_remote(settings: &Settings, only: Option<LibraryId>) -> Result<Documents> {
    let services = &settings.services;
    let pages: Vec<LibraryId> = services
        .brightdata
        .iter()
        .flat_map(|config| &config.libraries)
        .map(|library| library.id.clone())
        .filter(|id| only.as_ref().is_none_or(|only| only == id))
        .collect();
    let web = match &services.brightdata {
        Some(config) if !pages.is_empty() => Some(BrightDataAdapter::new((**config).clone())?),
        _ => None,
    };
    let named: Vec<String> = match &only {
        Some(only) if pages.contains(only) => Vec::new(),
        Some(only) => vec![only.to_string()],
        None => settings.libraries.clone(),
    };
    let context7 = match &services.context7 {
        Some(config) if !named.is_empty() => Some(Context7Adapter::new((**config).clone())?),
        None if !named.is_empty() => bail!(
            "library {} cannot be fetched: services.context7 is not configured",
            named.join(", ")
        ),
        _ => None,
    };
    let mut documented = Vec::new();
    if let Some(adapter) = &context7 {
        let resolve = adapter.capabilities().handle::<ResolveLibrary>();
        for name in named {
            let id = resolve_name(resolve.as_ref(), &name).await?;
            if !pages.contains(&id) && !documented.contains(&id) {
                documented.push(id);
            }
        }
    }
    let origins = [("context7", &documented), ("brightdata", &pages)]
        .map(|(service, libraries)| (PathBuf::from(service), libraries.clone()));
    let adapter: Arc<dyn ServiceAdapter> = match (context7, web) {
        (Some(context7), None) => Arc::new(context7),
        (None, Some(web)) => Arc::new(web),
        (Some(context7), Some(web)) => {
            let of_web: BTreeSet<LibraryId> = pages.iter().cloned().collect();
            Arc::new(Routed::new(Arc::new(context7), Arc::new(web), of_web)?)
        }
        (None, None) => return Err(NoSource.into()),
    };
    Ok(Documents {
        adapter,
        libraries: documented.into_iter().chain(pages).collect(),
        skipped: Vec::new(),
        origins: origins.into(),
    })
}

/// An id stands for itself; a name for the library that the service finds first.
async fn resolve_name(resolve: Option<&Handle<ResolveLibrary>>, name: &str) -> Result<LibraryId> {
    if name.starts_with('/') {
        return name.parse().context("libraries cannot be used");
    }
    let request = ResolveLibrary {
        name: name.to_owned(),
        limit: 1,
    };
    let found = resolve
        .ok_or_else(|| anyhow!("no service resolves the name {name:?}"))?
        .call(request)
        .await?;
    let library = found
        .into_iter()
        .next()
        .ok_or_else(|| anyhow!("no library is called {name:?}"))?;
    eprintln!("note: {name} is {} ({})", library.id, library.title);
    Ok(library.id)
}
