//! Which source each library comes from: indexing another one under its id would remove its
//! documents.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use contexter_model::LibraryId;

use crate::data::DataFolder;

type Sources = BTreeMap<LibraryId, PathBuf>;

impl DataFolder {
    /// Refuses libraries that came from elsewhere than `source`, a folder or the name of a service.
    pub(crate) fn check_claims(&self, libraries: &[LibraryId], source: &Path) -> Result<()> {
        let sources = self.sources()?;
        for library in libraries.iter().filter(|library| has_source(library)) {
            if let Some(known) = sources.get(library)
                && known != source
            {
                let (library, known) = (library.clone(), known.clone());
                return Err(Taken { library, known }.into());
            }
        }
        Ok(())
    }

    /// Records that a library comes from `source`.
    pub(crate) fn claim(&self, library: &LibraryId, source: &Path) -> Result<()> {
        let mut sources = self.sources()?;
        if !has_source(library) || sources.get(library).is_some_and(|known| known == source) {
            return Ok(());
        }
        sources.insert(library.clone(), source.to_owned());
        self.write_sources(&sources)
    }

    /// Takes back what [`claim`](Self::claim) recorded, and returns whether there was anything.
    pub(crate) fn release(&self, library: &LibraryId) -> Result<bool> {
        let mut sources = self.sources()?;
        let claimed = sources.remove(library).is_some();
        if claimed {
            self.write_sources(&sources)?;
        }
        Ok(claimed)
    }

    fn sources(&self) -> Result<Sources> {
        let path = self.sources_path();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Sources::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn write_sources(&self, sources: &Sources) -> Result<()> {
        let path = self.sources_path();
        let aside = path.with_extension("json.new");
        fs::write(&aside, serde_json::to_vec(sources)?)
            .and_then(|()| fs::rename(&aside, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn sources_path(&self) -> PathBuf {
        self.path().join("sources.json")
    }
}

/// A crate is the same wherever it is locked.
fn has_source(library: &LibraryId) -> bool {
    library.owner() != "crates"
}

/// A library id that stands for another source already.
#[derive(Debug)]
pub(crate) struct Taken {
    library: LibraryId,
    known: PathBuf,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "library {} was indexed from {}: give this source another id with --library, or `remove` \
             the library first",
            self.library,
            self.known.display()
        )
    }
}

impl std::error::Error for Taken {}
