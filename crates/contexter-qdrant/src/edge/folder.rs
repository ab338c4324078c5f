//! The layout of a data folder and of its metadata files.
//!
//! ```text
//! DATA/contexter-vectors.json          marks the folder: format and version
//! DATA/contexter-vectors.lock          held while a process has the folder open
//! DATA/aliases.json                    which collection an alias names, once there is one
//! DATA/collections/NAME/collection.json   what the collection is made of
//! DATA/collections/NAME/flushed.json      how many points it held at the last flush
//! DATA/collections/NAME/repair.json       points on their way from one segment to another
//! DATA/collections/NAME/shard/            the engine's files
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use contexter_model::{CollectionSpec, Error, ErrorKind};
use jiff::Timestamp;
use qdrant_edge::PointStructPersisted;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fault;

/// The newest layout that this version reads, and the one that it writes.
const VERSION: u32 = 1;
const FOLDER_FORMAT: &str = "contexter-vectors";
const COLLECTION_FORMAT: &str = "contexter-collection";
const MARKER: &str = "contexter-vectors.json";
/// The marker while it is being written.
const UNFINISHED_MARKER: &str = "contexter-vectors.json.tmp";
pub(super) const LOCK: &str = "contexter-vectors.lock";
const ALIASES: &str = "aliases.json";
const COLLECTIONS: &str = "collections";
const METADATA: &str = "collection.json";
const FLUSHED: &str = "flushed.json";
const REPAIR: &str = "repair.json";
const SHARD: &str = "shard";
/// Starts the name of a collection that is being created, and holds no points yet, or deleted.
const UNFINISHED: &str = ".new-";

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    format: String,
    version: u32,
    created: Timestamp,
    spec: CollectionSpec,
}

/// What was written down at the last flush.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Flushed {
    pub(super) points: u64,
    pub(super) at: Timestamp,
}

/// A data folder; nothing is checked yet.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.root.join(LOCK)
    }

    /// Makes sure that the folder exists and is empty or marked; a foreign folder stays untouched.
    pub(super) fn claimable(&self) -> Result<(), Error> {
        if self.root.exists() && !self.root.is_dir() {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!("data folder {} is a file", self.root.display()),
            ));
        }
        fs::create_dir_all(&self.root).map_err(|source| fault::io("create", &self.root, source))?;
        if self.root.join(MARKER).exists() {
            return self.marked();
        }
        let entries =
            fs::read_dir(&self.root).map_err(|source| fault::io("read", &self.root, source))?;
        for entry in entries {
            let name = entry
                .map_err(|source| fault::io("read", &self.root, source))?
                .file_name();
            // These are what a process leaves that died while it claimed the folder.
            if name != LOCK && name != UNFINISHED_MARKER {
                return Err(fault::error(
                    ErrorKind::Invalid,
                    format!(
                        "{} is not a Contexter data folder: it holds {} but no {MARKER}",
                        self.root.display(),
                        Path::new(&name).display(),
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Verifies the marker of the folder.
    pub(super) fn marked(&self) -> Result<(), Error> {
        let path = self.root.join(MARKER);
        if !path.exists() {
            return Err(fault::error(
                if self.root.exists() {
                    ErrorKind::Invalid
                } else {
                    ErrorKind::NotFound
                },
                format!("{} is not a Contexter data folder", self.root.display()),
            ));
        }
        verify(&path, &read::<Header>(&path)?, FOLDER_FORMAT)
    }

    /// Marks the folder as ours. Only the holder of the lock may do it.
    pub(super) fn mark(&self) -> Result<(), Error> {
        let path = self.root.join(MARKER);
        if !path.exists() {
            let header = Header {
                format: FOLDER_FORMAT.to_owned(),
                version: VERSION,
            };
            write(&path, &header)?;
        }
        let collections = self.root.join(COLLECTIONS);
        fs::create_dir_all(&collections).map_err(|source| fault::io("create", &collections, source))
    }

    /// Lists the folders of all collections, sorted.
    pub(super) fn collections(&self) -> Result<Vec<CollectionFolder>, Error> {
        let path = self.root.join(COLLECTIONS);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(fault::io("read", &path, source)),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| fault::io("read", &path, source))?;
            if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                folders.push(CollectionFolder { path: entry.path() });
            }
        }
        folders.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(folders)
    }

    pub(super) fn collection(&self, name: &str) -> CollectionFolder {
        CollectionFolder {
            path: self.root.join(COLLECTIONS).join(name),
        }
    }

    /// Reads which collection each alias names.
    pub(super) fn read_aliases(&self) -> Result<BTreeMap<String, String>, Error> {
        let path = self.root.join(ALIASES);
        if path.exists() {
            read(&path)
        } else {
            Ok(BTreeMap::new())
        }
    }

    /// Writes which collection each alias names, durably.
    pub(super) fn write_aliases(&self, aliases: &BTreeMap<String, String>) -> Result<(), Error> {
        write(&self.root.join(ALIASES), aliases)
    }

    /// Removes the files of the collection `name`, which is closed: all of them, or none is seen again.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let folder = self.collection(name);
        let rubbish = self.collection(&format!("{UNFINISHED}{name}"));
        let failed = |source| fault::io("remove", &folder.path, source);
        if rubbish.path.exists() {
            fs::remove_dir_all(&rubbish.path).map_err(failed)?;
        }
        fs::rename(&folder.path, &rubbish.path).map_err(failed)?;
        sync_parent(&folder.path)?;
        fs::remove_dir_all(&rubbish.path).map_err(failed)
    }

    /// Removes what creations and deletions left behind that did not come to their end. Only the
    /// holder of the lock may do it.
    pub(super) fn clear_away(&self) -> Result<(), Error> {
        let path = self.root.join(COLLECTIONS);
        let entries = fs::read_dir(&path).map_err(|source| fault::io("read", &path, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| fault::io("read", &path, source))?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let rubbish = entry.path();
                fs::remove_dir_all(&rubbish)
                    .map_err(|source| fault::io("remove", &rubbish, source))?;
            }
        }
        Ok(())
    }

    /// Returns an empty folder in which the collection `name` can be created.
    pub(super) fn unfinished(&self, name: &str) -> Result<CollectionFolder, Error> {
        let folder = self.collection(&format!("{UNFINISHED}{name}"));
        if folder.path.exists() {
            // Left behind by a process that died while it created the collection.
            fs::remove_dir_all(&folder.path)
                .map_err(|source| fault::io("remove", &folder.path, source))?;
        }
        fs::create_dir(&folder.path).map_err(|source| fault::io("create", &folder.path, source))?;
        let shard = folder.shard();
        fs::create_dir(&shard).map_err(|source| fault::io("create", &shard, source))?;
        Ok(folder)
    }
}

/// The folder of one collection.
#[derive(Clone, Debug)]
pub(super) struct CollectionFolder {
    path: PathBuf,
}

impl CollectionFolder {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn shard(&self) -> PathBuf {
        self.path.join(SHARD)
    }

    pub(super) fn read_spec(&self) -> Result<CollectionSpec, Error> {
        let path = self.path.join(METADATA);
        if !path.exists() {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!(
                    "{} is no collection or a damaged one: it has no {METADATA}",
                    self.path.display(),
                ),
            ));
        }
        verify(&path, &read::<Header>(&path)?, COLLECTION_FORMAT)?;
        let spec = read::<Metadata>(&path)?.spec;
        if self.path.file_name() != Some(spec.name.as_ref()) {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!(
                    "{} describes the collection {:?}, not the one of its folder",
                    path.display(),
                    spec.name,
                ),
            ));
        }
        Ok(spec)
    }

    pub(super) fn write_spec(&self, spec: &CollectionSpec) -> Result<(), Error> {
        let metadata = Metadata {
            format: COLLECTION_FORMAT.to_owned(),
            version: VERSION,
            created: Timestamp::now(),
            spec: spec.clone(),
        };
        write(&self.path.join(METADATA), &metadata)
    }

    /// Gives a finished collection its final name, durably.
    pub(super) fn finish(&self, destination: &Self) -> Result<(), Error> {
        fs::rename(&self.path, &destination.path)
            .map_err(|source| fault::io("create", &destination.path, source))?;
        sync_parent(&destination.path)
    }

    /// Returns what the last flush wrote down; for display only.
    pub(super) fn read_flushed(&self) -> Option<Flushed> {
        read(&self.path.join(FLUSHED)).ok()
    }

    pub(super) fn write_flushed(&self, flushed: Flushed) -> Result<(), Error> {
        write(&self.path.join(FLUSHED), &flushed)
    }

    pub(super) fn is_in_repair(&self) -> bool {
        self.path.join(REPAIR).exists()
    }

    pub(super) fn read_repair(&self) -> Result<Option<Vec<PointStructPersisted>>, Error> {
        if !self.is_in_repair() {
            return Ok(None);
        }
        read(&self.path.join(REPAIR)).map(Some)
    }

    pub(super) fn write_repair(&self, points: &[PointStructPersisted]) -> Result<(), Error> {
        write(&self.path.join(REPAIR), &points)
    }

    pub(super) fn end_repair(&self) -> Result<(), Error> {
        let path = self.path.join(REPAIR);
        fs::remove_file(&path).map_err(|source| fault::io("remove", &path, source))?;
        sync_parent(&path)
    }
}

fn verify(path: &Path, header: &Header, format: &str) -> Result<(), Error> {
    let path = path.display();
    if header.format != format {
        return Err(fault::error(
            ErrorKind::Invalid,
            format!(
                "{path} has the format {:?}, expected {format:?}",
                header.format
            ),
        ));
    }
    if header.version > VERSION {
        return Err(fault::error(
            ErrorKind::Unsupported,
            format!(
                "{path} has version {}, this program reads up to {VERSION}: use a newer one",
                header.version,
            ),
        ));
    }
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(|source| fault::io("read", path, source))?;
    serde_json::from_slice(&bytes).map_err(|source| {
        fault::error(
            ErrorKind::Invalid,
            format!(
                "{} is damaged: not the JSON that belongs there",
                path.display()
            ),
        )
        .with_source(source)
    })
}

/// Replaces the file at `path` whole: readers see the old content or the new one.
fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let temporary = path.with_extension("json.tmp");
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| fault::io("write", path, source.into()))?;
    bytes.push(b'\n');
    let written = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // On a full disk it would keep the room that it could not use.
        let _gone = fs::remove_file(&temporary);
        fault::io("write", path, source)
    })?;
    sync_parent(path)
}

/// Makes a rename in the folder of `path` durable.
fn sync_parent(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    // Other systems cannot open a folder as a file; their renames need no such help.
    if cfg!(unix) {
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| fault::io("write", parent, source))?;
    }
    Ok(())
}
