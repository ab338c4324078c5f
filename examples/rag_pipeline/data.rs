//! The data folder: what is where, and whether it is ours.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use contexter_model::EmbeddingSpace;
use tokio::time::Instant;

/// Marks a folder as ours and names its layout.
const MARKER: &str = "contexter.json";
const LAYOUT: &str = "{\"layout\":1}\n";
/// Marks it as made by a program for everybody else: for backups, and for an `index` of the folder
/// around it.
const TAG: (&str, &str) = (
    "CACHEDIR.TAG",
    "Signature: 8a477f597d28d172789f06886806bc55\n# An index of Contexter: it can be made again.\n",
);

/// How long another process may take to let go of the folder, and how often it is looked at.
const HOLD_WAIT: Duration = Duration::from_secs(1);
const HOLD_POLL: Duration = Duration::from_millis(20);

/// A folder that holds an index.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    /// Opens `path`, creating it if it is not there or empty.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("cannot create the data folder {}", path.display()))?;
        let marker = path.join(MARKER);
        let torn = fs::read_to_string(&marker).is_ok_and(|text| is_torn(&text));
        if torn || !marker.exists() {
            let mut files = read_folder(path)?;
            let foreign = files.find(|file| !matches!(file, Ok(f) if f.file_name() == MARKER));
            if let Some(file) = foreign {
                let name = file?.file_name();
                bail!(
                    "{} is not a Contexter data folder: it holds {}; choose an empty or new folder",
                    path.display(),
                    name.display(),
                );
            }
            fs::write(&marker, LAYOUT)
                .with_context(|| format!("cannot write {}", marker.display()))?;
        }
        let (name, text) = TAG;
        let tag = path.join(name);
        if !tag.exists() {
            fs::write(&tag, text).with_context(|| format!("cannot write {}", tag.display()))?;
        }
        Self::open(path)
    }

    /// Opens `path`, which must hold an index.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let marker = path.join(MARKER);
        match fs::read_to_string(&marker) {
            Ok(text) if text == LAYOUT => Ok(Self(path.to_owned())),
            Ok(_) => bail!(
                "{} names another layout: it was written by another version",
                marker.display(),
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "there is no index in {}: run `index --source DIR --data {}` first",
                path.display(),
                path.display(),
            ),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", marker.display())),
        }
    }

    /// Records which embedder made a collection that is not kept in this folder.
    pub(crate) fn record_space(&self, place: &str, space: &EmbeddingSpace) -> Result<()> {
        let path = self.spaces();
        let mut spaces = self.recorded_spaces();
        if spaces.get(place) == Some(space) {
            return Ok(());
        }
        spaces.insert(place.to_owned(), space.clone());
        let aside = path.with_extension("json.new");
        fs::write(&aside, serde_json::to_vec(&spaces)?)
            .and_then(|()| fs::rename(&aside, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns which embedder made a collection that is not kept in this folder.
    pub(crate) fn recorded_space(&self, place: &str) -> Option<EmbeddingSpace> {
        self.recorded_spaces().remove(place)
    }

    /// What cannot be read is as if it were not there: the store refuses another embedder as well.
    fn recorded_spaces(&self) -> BTreeMap<String, EmbeddingSpace> {
        let read = fs::read(self.spaces()).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn spaces(&self) -> PathBuf {
        self.0.join("spaces.json")
    }

    /// Holds the folder until the value is dropped, also by the end of the process. Waits a second for
    /// another one that was just killed.
    pub(crate) async fn hold(&self) -> Result<Held> {
        let path = self.held();
        let failed = || format!("cannot open {}", path.display());
        let mut options = fs::OpenOptions::new();
        let options = options.create(true).truncate(false).write(true);
        let file = options.open(&path).with_context(failed)?;
        let deadline = Instant::now() + HOLD_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Held(file)),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(HOLD_POLL).await;
                }
                Err(fs::TryLockError::WouldBlock) => {
                    bail!("{} is in use by another process", self.0.display())
                }
                Err(fs::TryLockError::Error(error)) => return Err(error).with_context(failed),
            }
        }
    }

    /// Returns whether a process holds the folder; is in nobody's way for longer than that takes.
    pub(crate) fn is_held(&self) -> bool {
        fs::File::open(self.held())
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    fn held(&self) -> PathBuf {
        self.0.join("held")
    }

    /// Notes that the vector index is to be rebuilt, until [`optimized`](Self::optimized): a run
    /// may end before it comes to that. Returns whether an earlier one did.
    pub(crate) fn changes(&self) -> Result<bool> {
        let note = self.unoptimized();
        let noted = note.exists();
        fs::write(&note, "").with_context(|| format!("cannot write {}", note.display()))?;
        Ok(noted)
    }

    /// Takes the note of [`changes`](Self::changes) back.
    pub(crate) fn optimized(&self) -> Result<()> {
        let note = self.unoptimized();
        fs::remove_file(&note).with_context(|| format!("cannot remove {}", note.display()))
    }

    fn unoptimized(&self) -> PathBuf {
        self.0.join("unoptimized")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// What `eval` keeps under this name: an index of its own, so that no test collection comes among
    /// the documents.
    pub(crate) fn evaluation(&self, name: &str) -> PathBuf {
        self.0.join("eval").join(name)
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("ledger.jsonl")
    }

    /// The last health report of the process that holds the data, for `status`.
    pub(crate) fn health(&self) -> PathBuf {
        self.0.join("health.json")
    }
}

/// The data folder, held against other processes.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "open is locked")] fs::File);

/// Whether the marker was cut off by a kill while it was written.
fn is_torn(marker: &str) -> bool {
    marker.len() < LAYOUT.len() && LAYOUT.starts_with(marker)
}

fn read_folder(path: &Path) -> Result<fs::ReadDir> {
    fs::read_dir(path).with_context(|| format!("cannot read the data folder {}", path.display()))
}
