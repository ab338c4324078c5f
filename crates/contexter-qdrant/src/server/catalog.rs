//! All collections of a server, by name and by alias.
//!
//! ```text
//! FOLDER/collections/ID/request.pb   how the collection was created, and what was changed since
//! FOLDER/collections/ID/shard/       the engine's files
//! FOLDER/aliases.json
//! FOLDER/snapshots/ID/NAME
//! ```
//!
//! `ID` is a UUID made from the collection's name, which may hold what no file system takes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contexter_model::{Error, ErrorKind};
use parking_lot::{Mutex, RwLock};
use prost::Message as _;
use qdrant_client::qdrant::CreateCollection;
use tempfile::TempDir;
use tonic::Status;

use super::collection::{Collection, SHARD};
use super::status;
use crate::spec;

const REQUEST: &str = "request.pb";
const ALIASES: &str = "aliases.json";

/// All collections of a server.
pub(super) struct Catalog {
    root: PathBuf,
    collections: RwLock<BTreeMap<String, Arc<Collection>>>,
    aliases: RwLock<BTreeMap<String, String>>,
    /// Held by whoever creates, deletes or renames.
    changing: Mutex<()>,
    /// Removed after the collections are closed, if it is there.
    temporary: Option<TempDir>,
}

impl Catalog {
    /// Opens a new folder that goes when the catalog does. Blocks.
    pub(super) fn temporary() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(|source| {
            spec::error(ErrorKind::Unavailable, "cannot make a temporary folder")
                .with_source(source)
        })?;
        let mut catalog = Self::open(folder.path())?;
        catalog.temporary = Some(folder);
        Ok(catalog)
    }

    /// Opens the collections in a folder. Blocks.
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let unusable = |source: io::Error| {
            spec::error(
                ErrorKind::Unavailable,
                format!("cannot use the folder {}", root.display()),
            )
            .with_source(source)
        };
        let folder = root.join("collections");
        fs::create_dir_all(&folder).map_err(unusable)?;
        let mut collections = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(unusable)? {
            let path = entry.map_err(unusable)?.path();
            // Without it the collection was never finished.
            let Ok(bytes) = fs::read(path.join(REQUEST)) else {
                continue;
            };
            let request = CreateCollection::decode(bytes.as_slice()).map_err(|source| {
                spec::error(
                    ErrorKind::Invalid,
                    format!("{} is damaged", path.join(REQUEST).display()),
                )
                .with_source(source)
            })?;
            let collection = Collection::load(&path, request).map_err(|status| {
                spec::error(
                    ErrorKind::Unavailable,
                    format!("cannot open {}: {}", path.display(), status.message()),
                )
            })?;
            collections.insert(collection.name().to_owned(), Arc::new(collection));
        }
        let aliases = match fs::read(root.join(ALIASES)) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| unusable(source.into()))?
            }
            Err(_none) => BTreeMap::new(),
        };
        Ok(Self {
            root: root.to_owned(),
            collections: RwLock::new(collections),
            aliases: RwLock::new(aliases),
            changing: Mutex::new(()),
            temporary: None,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the names of all collections.
    pub(super) fn names(&self) -> Vec<String> {
        self.collections.read().keys().cloned().collect()
    }

    /// Returns all aliases with their collections.
    pub(super) fn aliases(&self) -> Vec<(String, String)> {
        let aliases = self.aliases.read();
        aliases
            .iter()
            .map(|(alias, name)| (alias.clone(), name.clone()))
            .collect()
    }

    /// Returns the collection that a name or an alias stands for.
    pub(super) fn get(&self, name: &str) -> Result<Arc<Collection>, Status> {
        let alias = self.aliases.read().get(name).cloned();
        let name = alias.as_deref().unwrap_or(name);
        self.collections
            .read()
            .get(name)
            .map(Arc::clone)
            .ok_or_else(|| status::no_collection(name))
    }

    /// Creates a collection. Blocks.
    pub(super) fn create(&self, request: CreateCollection) -> Result<(), Status> {
        let name = request.collection_name.clone();
        check_name(&name)?;
        let _changing = self.changing.lock();
        if self.collections.read().contains_key(&name) {
            return Err(Status::already_exists(format!(
                "Wrong input: Collection `{name}` already exists!"
            )));
        }
        if self.aliases.read().contains_key(&name) {
            return Err(status::wrong(format_args!(
                "Can't create collection with name {name}. Alias with the same name already exists"
            )));
        }
        let folder = self.folder(&name);
        let failed =
            |source: io::Error| Status::internal(format!("Service internal error: {source}"));
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(failed)?;
        }
        fs::create_dir_all(folder.join(SHARD)).map_err(failed)?;
        let collection = match Collection::create(&folder, request) {
            Ok(collection) => collection,
            Err(status) => {
                fs::remove_dir_all(&folder).map_err(failed)?;
                return Err(status);
            }
        };
        save(&folder, &collection.request()).map_err(failed)?;
        self.collections.write().insert(name, Arc::new(collection));
        Ok(())
    }

    /// Changes what is written down of a collection, if `change` can do so. Blocks.
    pub(super) fn update(
        &self,
        name: &str,
        change: impl FnOnce(&Collection, &mut CreateCollection) -> Result<(), Status>,
    ) -> Result<Arc<Collection>, Status> {
        let _changing = self.changing.lock();
        let collection = self.get(name)?;
        let mut request = collection.request();
        change(&collection, &mut request)?;
        save(&self.folder(collection.name()), &request)
            .map_err(|source| Status::internal(format!("Service internal error: {source}")))?;
        collection.set_request(request);
        Ok(collection)
    }

    /// Deletes a collection and its aliases; returns whether it was there. Blocks.
    pub(super) fn delete(&self, name: &str) -> Result<bool, Status> {
        let _changing = self.changing.lock();
        let Some(collection) = self.collections.write().remove(name) else {
            return Ok(false);
        };
        let mut aliases = self.aliases.read().clone();
        aliases.retain(|_, collection| collection != name);
        self.save_aliases(aliases)?;
        collection.close();
        fs::remove_dir_all(self.folder(name))
            .map_err(|source| Status::internal(format!("Service internal error: {source}")))?;
        Ok(true)
    }

    /// Changes aliases, one action after the other. As on the server (1.19, `lib/storage`,
    /// `update_aliases`), each is written down before the next is looked at, and what was done before
    /// one that is refused stays done. Blocks.
    pub(super) fn change_aliases<A>(
        &self,
        actions: Vec<A>,
        act: impl Fn(&mut BTreeMap<String, String>, A) -> Result<(), Status>,
    ) -> Result<(), Status> {
        let _changing = self.changing.lock();
        for action in actions {
            let mut aliases = self.aliases.read().clone();
            act(&mut aliases, action)?;
            self.save_aliases(aliases)?;
        }
        Ok(())
    }

    /// Returns whether there is a collection of that very name.
    pub(super) fn is_collection(&self, name: &str) -> bool {
        self.collections.read().contains_key(name)
    }

    fn save_aliases(&self, aliases: BTreeMap<String, String>) -> Result<(), Status> {
        let failed =
            |source: io::Error| Status::internal(format!("Service internal error: {source}"));
        let text = serde_json::to_vec(&aliases).map_err(|source| failed(source.into()))?;
        replace(&self.root.join(ALIASES), &text).map_err(failed)?;
        *self.aliases.write() = aliases;
        Ok(())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join("collections").join(id(name))
    }

    /// Where the snapshots of a collection are.
    pub(super) fn snapshots(&self, name: &str) -> PathBuf {
        self.root.join("snapshots").join(id(name))
    }

    /// Returns all collections.
    pub(super) fn collections(&self) -> Vec<Arc<Collection>> {
        self.collections.read().values().map(Arc::clone).collect()
    }

    /// Writes all collections to the disk. Blocks.
    pub(super) fn flush(&self) {
        for collection in self.collections() {
            if let Err(status) = collection.flush() {
                tracing::error!(collection = collection.name(), error = %status, "not flushed");
            }
        }
    }
}

fn id(name: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

fn save(folder: &Path, request: &CreateCollection) -> io::Result<()> {
    replace(&folder.join(REQUEST), &request.encode_to_vec())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(&new, path)
}

/// What no name has (1.19, `lib/common/common/src/validation.rs`).
pub(super) const FORBIDDEN: [char; 11] =
    ['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0', '\u{1F}'];

/// What the server takes as a name (1.19, `lib/api`, `validate_collection_name`).
fn check_name(name: &str) -> Result<(), Status> {
    if name.is_empty() || name.len() > 255 {
        return Err(Status::invalid_argument(
            "Validation error in body: [collection_name: must be 1 to 255 characters]",
        ));
    }
    match name.chars().find(|letter| FORBIDDEN.contains(letter)) {
        Some(letter) => Err(Status::invalid_argument(format!(
            "Validation error in body: [collection_name: collection name cannot contain \
             {letter:?} char]"
        ))),
        None => Ok(()),
    }
}
