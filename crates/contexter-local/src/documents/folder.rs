//! A folder as a library.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contexter_model::{
    DocsPage, Document, Error, ErrorKind, FetchDocs, Library, LibraryId, ResolveLibrary,
};
use contexter_service::Service;
use parking_lot::Mutex;

use super::kind::{self, Guess};
use super::page::{self, Outcome};
use super::walk::{self, Listed};
use super::{blocking, convert, file};

/// The longest library name made from a folder name, in bytes.
const MAX_NAME: usize = 200;

/// The documents in a folder and the folders below it, as one library.
///
/// # Behavior
///
/// - Markdown, HTML, reStructuredText, plain text and Rust sources are read, the latter for their
///   doc comments. All but plain text becomes Markdown.
/// - Hidden files and folders, `target` and `node_modules` are passed over, and so are images,
///   style sheets and the like.
/// - What cannot be read is listed as skipped, with the reason: binary files, invalid UTF-8, files
///   of more than 16 MiB, compressed files, unknown formats, broken links, links out of the
///   folder, link loops. Links within the folder are not followed, because what they lead to is
///   listed in its own place.
/// - Documents come in the order of their paths. The folder is listed when the first page is
///   fetched, and files are read page by page.
///
/// # Examples
///
/// ```
/// use contexter_local::Folder;
/// use contexter_model::FetchDocs;
/// use contexter_service::Service;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("guide.md"), "# Guide\n\nHow to begin.\n")?;
/// # let path = folder.path();
/// let docs = Folder::open(path, Some("/local/handbook".parse()?)).await?;
/// let page = docs
///     .call(FetchDocs { library: docs.library().id.clone(), cursor: None, limit: 100 })
///     .await?;
/// assert_eq!(page.documents[0].title, "Guide");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Folder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    name: String,
    library: Library,
    listing: Mutex<Option<Arc<Vec<Listed>>>>,
}

impl Folder {
    /// Opens the folder `path` as the library `id`, or as `/local/` and the folder's name.
    ///
    /// An empty folder is a library without documents.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such folder, [`ErrorKind::Invalid`] if it is not a
    /// folder, [`ErrorKind::Unauthorized`] if it may not be read.
    pub async fn open(path: impl Into<PathBuf>, id: Option<LibraryId>) -> Result<Self, Error> {
        let path = path.into();
        blocking(move || Self::open_now(&path, id)).await?
    }

    fn open_now(path: &Path, id: Option<LibraryId>) -> Result<Self, Error> {
        let shown = path.display();
        let root = std::fs::canonicalize(path).map_err(|error| refused(path, error))?;
        std::fs::read_dir(&root).map_err(|error| refused(path, error))?;
        let name = root.file_name().map_or_else(
            || "root".to_owned(),
            |name| sanitised(&name.to_string_lossy()),
        );
        let id = match id {
            Some(id) => id,
            None => format!("/local/{name}").parse().map_err(|error| {
                Error::new(
                    ErrorKind::Invalid,
                    format!("folder {shown} needs a library id"),
                )
                .with_source(error)
            })?,
        };
        let library = Library::new(id, name.clone(), format!("documents in {}", root.display()));
        Ok(Self {
            inner: Arc::new(Inner {
                root,
                name,
                library,
                listing: Mutex::new(None),
            }),
        })
    }

    /// Returns the library that the folder is.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.inner.library
    }
}

impl Inner {
    fn fetch(&self, request: &FetchDocs) -> Result<DocsPage, Error> {
        let known = self.listing.lock().clone();
        let listing = if let Some(listing) = known.filter(|_| request.cursor.is_some()) {
            listing
        } else {
            // The first page, or a cursor from another time: the folder may have changed.
            self.check()?;
            let fresh = Arc::new(walk::list(&self.root));
            *self.listing.lock() = Some(Arc::clone(&fresh));
            fresh
        };
        let page = page::assemble(
            &listing,
            request.cursor.as_deref(),
            request.limit,
            |listed| &listed.path,
            |listed| self.read(listed),
        );
        if page.next.is_none() {
            *self.listing.lock() = None;
        }
        Ok(page)
    }

    /// Fails if the folder is gone.
    fn check(&self) -> Result<(), Error> {
        std::fs::read_dir(&self.root)
            .map(drop)
            .map_err(|error| refused(&self.root, error))
    }

    fn read(&self, listed: &Listed) -> Outcome {
        let guess = kind::guess(&listed.name);
        let path = match &listed.file {
            _ if guess == Guess::Asset => return Outcome::Nothing,
            Ok(path) => path,
            Err(reason) => return Outcome::Skipped(reason.clone()),
        };
        let kind = match guess {
            Guess::Text(kind) => kind,
            Guess::Compressed => return Outcome::Skipped("compressed file".to_owned()),
            Guess::Asset | Guess::Unknown => {
                return Outcome::Skipped("not a documentation format".to_owned());
            }
        };
        let converted = file::read_text(path, file::MAX_FILE_BYTES)
            .and_then(|text| convert::convert(kind, &listed.path, &self.name, text));
        match converted {
            Ok(converted) => Outcome::Document(Document {
                library: self.library.id.clone(),
                path: listed.path.clone(),
                title: converted.title,
                format: converted.format,
                text: converted.text,
            }),
            Err(reason) => Outcome::Skipped(reason),
        }
    }
}

impl Service<FetchDocs> for Folder {
    type Response = DocsPage;
    type Error = Error;

    async fn call(&self, request: FetchDocs) -> Result<DocsPage, Error> {
        if request.library != self.inner.library.id {
            return Err(super::unknown(&request.library));
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.fetch(&request)).await?
    }
}

impl Service<ResolveLibrary> for Folder {
    type Response = Vec<Library>;
    type Error = Error;

    async fn call(&self, request: ResolveLibrary) -> Result<Vec<Library>, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.check()).await??;
        let library = &self.inner.library;
        let matches = super::resolve::rank(&library.id, &request.name).is_some();
        let wanted = matches && request.limit > 0;
        Ok(wanted.then(|| library.clone()).into_iter().collect())
    }
}

fn refused(path: &Path, error: std::io::Error) -> Error {
    let (kind, what) = match error.kind() {
        std::io::ErrorKind::NotFound => (ErrorKind::NotFound, "does not exist"),
        std::io::ErrorKind::PermissionDenied => (ErrorKind::Unauthorized, "may not be read"),
        std::io::ErrorKind::NotADirectory => (ErrorKind::Invalid, "is not a folder"),
        _ => (ErrorKind::Unavailable, "cannot be read"),
    };
    Error::new(kind, format!("folder {} {what}", path.display())).with_source(error)
}

/// Makes a part of a library id out of any name.
fn sanitised(name: &str) -> String {
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end)
        .unwrap_or_default()
        .chars()
        .map(|c| {
            if c.is_whitespace() || c.is_control() || matches!(c, '/' | '@') {
                '-'
            } else {
                c
            }
        })
        .collect()
}
