//! Who holds a data folder.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault;

/// How often a waiting process tries again.
const POLL: Duration = Duration::from_millis(20);

/// What a lock file says that nobody holds, of a folder that is still to be mended.
const NOT_WHOLE: &[u8] = b"\"not whole\"";

/// Nobody waits longer; beyond it the clock could overflow.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// The process that holds a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Since when it holds the folder.
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} since {:.0}", self.pid, self.since)
    }
}

/// The exclusive hold on a data folder; ends when it is dropped or its process dies.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    /// Whether everything in the folder is whole.
    clean: AtomicBool,
}

impl Lock {
    /// Takes the lock file at `path`, trying for at most `patience`.
    pub(super) async fn acquire(path: &Path, patience: Duration) -> Result<Self, Error> {
        let deadline = tokio::time::Instant::now() + patience.min(LONGEST_WAIT);
        loop {
            match Self::try_acquire(path)? {
                Some(lock) => return Ok(lock),
                None if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(POLL).await;
                }
                None => return Err(in_use(path)),
            }
        }
    }

    fn try_acquire(path: &Path) -> Result<Option<Self>, Error> {
        let io = |source| fault::io("write", path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(fault::io("lock", path, source)),
        }
        let mut left_behind = String::new();
        file.read_to_string(&mut left_behind).map_err(io)?;
        let holder = Holder {
            pid: std::process::id(),
            since: Timestamp::now(),
        };
        let text = serde_json::to_string(&holder).map_err(|source| io(source.into()))?;
        replace(&mut file, text.as_bytes()).map_err(io)?;
        Ok(Some(Self {
            file,
            path: path.to_owned(),
            clean: AtomicBool::new(left_behind.is_empty()),
        }))
    }

    /// Returns whether everything in the folder is whole: the holder before released it, rather than
    /// died with it.
    pub(super) fn is_clean(&self) -> bool {
        self.clean.load(Ordering::Relaxed)
    }

    /// Says whether everything in the folder is whole. If it is not, the next holder makes it so.
    pub(super) fn set_clean(&self, clean: bool) {
        self.clean.store(clean, Ordering::Relaxed);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty file tells the next holder that this one ended properly, any other that it did not:
        // one that gave up while it mended what the dead had left must not pass for a proper end.
        let emptied = if self.is_clean() {
            self.file.set_len(0)
        } else {
            replace(&mut self.file, NOT_WHOLE)
        };
        if let Err(error) = emptied {
            tracing::warn!(path = %self.path.display(), %error, "lock file not emptied");
        }
    }
}

/// Writes `text` in place of what the file holds, and never empties it meanwhile: whatever ends this
/// half-way, a kill or a full disk, must not look like a proper end.
fn replace(file: &mut File, text: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(text)?;
    file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
}

/// Returns who holds the lock file at `path`, without touching it.
///
/// On Linux a holder whose process is gone is left out.
pub(super) fn holder(path: &Path) -> Option<Holder> {
    let holder: Holder = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let gone = cfg!(target_os = "linux")
        && Path::new("/proc/self").exists()
        && !Path::new(&format!("/proc/{}", holder.pid)).exists();
    (!gone).then_some(holder)
}

/// Returns the error for a folder that another process, or this one, holds.
pub(super) fn in_use(path: &Path) -> Error {
    let folder = path.parent().unwrap_or(path).display();
    let message = match holder(path) {
        Some(holder) => format!("{folder} is in use by {holder}"),
        None => format!("{folder} is in use by another process"),
    };
    fault::error(ErrorKind::Unavailable, message)
}
