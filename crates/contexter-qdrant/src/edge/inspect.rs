//! Reading what a data folder holds without taking it.

use std::path::{Path, PathBuf};

use contexter_model::{CollectionSpec, Error};
use jiff::Timestamp;

use super::folder::Folder;
use super::lock::{self, Holder};

/// What a data folder holds, and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The folder.
    pub path: PathBuf,
    /// The process that has it open, if any; on Linux, one that is gone is left out.
    pub holder: Option<Holder>,
    /// Its collections, by name.
    pub collections: Vec<InspectedCollection>,
}

/// One collection of an inspected folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectedCollection {
    /// What it is made of.
    pub spec: CollectionSpec,
    /// How many points it held at its last flush, and when that was.
    pub flushed: Option<(u64, Timestamp)>,
}

/// Reads what the data folder at `path` holds.
///
/// Neither takes the folder's lock nor writes, so it works while another process holds the folder.
/// Only metadata is read, in well under a millisecond for a few collections.
///
/// # Errors
///
/// [`NotFound`](contexter_model::ErrorKind::NotFound) if there is no such folder,
/// [`Invalid`](contexter_model::ErrorKind::Invalid) if it is not a data folder or its metadata are
/// damaged, [`Unsupported`](contexter_model::ErrorKind::Unsupported) if a newer version wrote it.
pub fn inspect(path: impl AsRef<Path>) -> Result<Inspection, Error> {
    let folder = Folder::new(path.as_ref());
    folder.marked()?;
    let mut collections = Vec::new();
    for collection in folder.collections()? {
        collections.push(InspectedCollection {
            spec: collection.read_spec()?,
            flushed: collection
                .read_flushed()
                .map(|flushed| (flushed.points, flushed.at)),
        });
    }
    Ok(Inspection {
        path: folder.root().to_owned(),
        holder: lock::holder(&folder.lock_path()),
        collections,
    })
}
