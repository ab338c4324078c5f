//! Compressed, content-addressed document storage.
//!
//! A blob is named by the [`struct@Hash`] of its uncompressed bytes: the SHA-256. Storing the same bytes
//! twice stores them once, and what is read is verified, so a blob is either what it was or an
//! error, never something else.
//!
//! # Examples
//!
//! ```
//! use contexter_storage::Storage;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let storage = Storage::open(folder.path())?;
//! let hash = storage.put("# Title\n".as_bytes()).await?;
//! assert_eq!(storage.get(&hash).await?, "# Title\n".as_bytes());
//! # Ok(())
//! # }
//! ```

mod compression;
mod error;
mod hashing;
mod storage;

pub use contexter_protocol::Hash;
pub use error::StorageError;
pub use hashing::hash;
pub use storage::{Settings, Storage};
