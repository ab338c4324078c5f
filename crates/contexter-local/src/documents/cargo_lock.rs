//! The crates of a lock file as libraries.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contexter_model::{
    DocsPage, Error, ErrorKind, FetchDocs, Library, LibraryId, ResolveLibrary, Skipped,
};
use contexter_service::Service;
use parking_lot::Mutex;

use super::crate_docs::{CrateDocs, Manifest};
use super::{blocking, file, resolve};

/// How many crates are kept listed: enough for a few readers at once.
const MAX_LISTED: usize = 8;

/// The crates that a `Cargo.lock` names, one library each, read from their unpacked sources.
///
/// # Behavior
///
/// - The library ids are like `/crates/tokio/1.54.1`.
/// - The documents of a crate are its README, its guides (Markdown at its root and in `docs`,
///   `guide` and the like), and one document for each module file with the documentation of its
///   public items as Markdown. The headings are item paths such as
///   `tokio::sync::Semaphore::acquire`, and the declaration of an item stands in a code block.
/// - Private and hidden items are left out. An item in a private module appears under the path by
///   which a module above it exports it. Items that macros generate do not appear, except those
///   that stand as they are between the braces of a macro call.
/// - Nothing of a crate is read before its documents are fetched, and then file by file.
///
/// # Examples
///
/// ```no_run
/// use contexter_local::{CargoLock, default_registry};
/// use contexter_model::ResolveLibrary;
/// use contexter_service::Service;
///
/// # async fn example() -> Result<(), contexter_model::Error> {
/// let crates = CargoLock::open("Cargo.lock", default_registry(None)?).await?;
/// let found = crates.call(ResolveLibrary { name: "tokio".to_owned(), limit: 1 }).await?;
/// assert_eq!(found[0].title, "tokio");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CargoLock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    crates: Vec<Crate>,
    own: Vec<String>,
    skipped: Vec<Skipped>,
    /// The crates that were read last, the latest at the end.
    listed: Mutex<Vec<(LibraryId, Arc<CrateDocs>)>>,
}

#[derive(Debug)]
struct Crate {
    id: LibraryId,
    name: String,
    version: semver::Version,
    folder: PathBuf,
}

#[derive(serde::Deserialize)]
struct LockFile {
    #[serde(default)]
    package: Vec<LockedPackage>,
}

#[derive(serde::Deserialize)]
struct LockedPackage {
    name: String,
    version: semver::Version,
    source: Option<String>,
}

/// Returns the folder in which Cargo unpacks the sources of crates.
///
/// `cargo_home` is the value of the environment variable `CARGO_HOME`, if it is set; otherwise
/// `.cargo` in the home folder is meant.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if no home folder is known.
pub fn default_registry(cargo_home: Option<PathBuf>) -> Result<PathBuf, Error> {
    let home = match cargo_home {
        Some(home) => home,
        None => etcetera::home_dir()
            .map_err(|error| {
                Error::new(ErrorKind::NotFound, "no home folder is known").with_source(error)
            })?
            .join(".cargo"),
    };
    Ok(home.join("registry").join("src"))
}

impl CargoLock {
    /// Opens the lock file `path`, whose crates are unpacked in the folders of `registry`.
    ///
    /// Crates whose sources are not there are listed by [`skipped`](Self::skipped).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such file, [`ErrorKind::Unauthorized`] if it may
    /// not be read, [`ErrorKind::Invalid`] if it is no lock file.
    pub async fn open(
        path: impl Into<PathBuf>,
        registry: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let (path, registry) = (path.into(), registry.into());
        blocking(move || Self::open_now(&path, &registry)).await?
    }

    fn open_now(path: &Path, registry: &Path) -> Result<Self, Error> {
        let shown = path.display();
        std::fs::metadata(path).map_err(|error| {
            let (kind, what) = match error.kind() {
                std::io::ErrorKind::NotFound => (ErrorKind::NotFound, "does not exist"),
                std::io::ErrorKind::PermissionDenied => {
                    (ErrorKind::Unauthorized, "may not be read")
                }
                _ => (ErrorKind::Unavailable, "cannot be read"),
            };
            Error::new(kind, format!("lock file {shown} {what}")).with_source(error)
        })?;
        let text = file::read_text(path, file::MAX_FILE_BYTES)
            .map_err(|why| Error::new(ErrorKind::Invalid, format!("lock file {shown}: {why}")))?;
        let lock: LockFile = toml::from_str(&text).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("{shown} is not a lock file of cargo"),
            )
            .with_source(error)
        })?;
        if lock.package.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("{shown} is not a lock file of cargo: it names no package"),
            ));
        }

        let registries = folders_in(registry);
        let mut crates = Vec::new();
        let mut own = Vec::new();
        let mut skipped = Vec::new();
        for package in lock.package {
            if package.source.is_none() {
                own.push(package.name);
                continue;
            }
            match locate(&package, &registries) {
                Ok(found) => crates.push(found),
                Err(reason) => skipped.push(Skipped {
                    path: format!("{} {}", package.name, package.version),
                    reason,
                }),
            }
        }
        crates.sort_by(|a, b| (&a.name, Reverse(&a.version)).cmp(&(&b.name, Reverse(&b.version))));
        Ok(Self {
            inner: Arc::new(Inner {
                crates,
                own,
                skipped,
                listed: Mutex::new(Vec::new()),
            }),
        })
    }

    /// Returns the names of the packages that the lock file knows no source of: those of the
    /// workspace itself. They are no documents of this source; their folders are to be indexed.
    #[must_use]
    pub fn own(&self) -> &[String] {
        &self.inner.own
    }

    /// Returns the packages of the lock file whose sources cannot be read, and why.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.inner.skipped
    }
}

/// Returns the folders in `registry`, one for each index that crates were downloaded from.
fn folders_in(registry: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(registry)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn locate(package: &LockedPackage, registries: &[PathBuf]) -> Result<Crate, String> {
    let LockedPackage {
        name,
        version,
        source,
    } = package;
    if source
        .as_deref()
        .is_some_and(|source| source.starts_with("git+"))
    {
        return Err("a git dependency: index its folder instead".to_owned());
    }
    let is_plain = |part: &str| !part.contains(['/', '\\']) && !part.starts_with('.');
    let id = format!("/crates/{name}/{version}")
        .parse()
        .map_err(|error| format!("{error}"))?;
    if !is_plain(name) {
        return Err("a malformed name".to_owned());
    }
    let folder = registries
        .iter()
        .map(|registry| registry.join(format!("{name}-{version}")))
        .find_map(|folder| std::fs::canonicalize(folder).ok())
        .ok_or("its sources are not in the local registry: run cargo fetch")?;
    Ok(Crate {
        id,
        name: name.clone(),
        version: version.clone(),
        folder,
    })
}

impl Inner {
    fn fetch(&self, request: &FetchDocs) -> Result<DocsPage, Error> {
        let docs = self.listing(&request.library)?;
        let page = docs.fetch(request);
        if page.next.is_none() {
            self.listed.lock().retain(|(id, _)| *id != request.library);
        }
        Ok(page)
    }

    fn listing(&self, library: &LibraryId) -> Result<Arc<CrateDocs>, Error> {
        let known = |listed: &[(LibraryId, Arc<CrateDocs>)]| {
            let (_, docs) = listed.iter().find(|(id, _)| id == library)?;
            Some(Arc::clone(docs))
        };
        if let Some(docs) = known(&self.listed.lock()) {
            return Ok(docs);
        }
        let found = self
            .crates
            .iter()
            .find(|found| found.id == *library)
            .ok_or_else(|| super::unknown(library))?;
        let docs = Arc::new(CrateDocs::list(
            library.clone(),
            &found.name,
            found.folder.clone(),
        ));
        let mut listed = self.listed.lock();
        if let Some(docs) = known(&listed) {
            return Ok(docs);
        }
        if listed.len() >= MAX_LISTED {
            listed.remove(0);
        }
        listed.push((library.clone(), Arc::clone(&docs)));
        Ok(docs)
    }

    fn resolve(&self, request: &ResolveLibrary) -> Vec<Library> {
        let mut found: Vec<_> = self
            .crates
            .iter()
            .filter_map(|found| Some((resolve::rank(&found.id, &request.name)?, found)))
            .collect();
        // Stable: within a rank, by name and the newest version first.
        found.sort_by_key(|(rank, _)| *rank);
        found
            .into_iter()
            .take(request.limit)
            .map(|(_, found)| {
                let description = match Manifest::of(&found.folder).package.description {
                    Some(toml::Value::String(text)) => {
                        text.split_whitespace().collect::<Vec<_>>().join(" ")
                    }
                    _ => String::new(),
                };
                Library::new(found.id.clone(), found.name.clone(), description)
            })
            .collect()
    }
}

impl Service<FetchDocs> for CargoLock {
    type Response = DocsPage;
    type Error = Error;

    async fn call(&self, request: FetchDocs) -> Result<DocsPage, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.fetch(&request)).await?
    }
}

impl Service<ResolveLibrary> for CargoLock {
    type Response = Vec<Library>;
    type Error = Error;

    async fn call(&self, request: ResolveLibrary) -> Result<Vec<Library>, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.resolve(&request)).await
    }
}
