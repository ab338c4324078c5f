//! How a data folder is opened.

use std::time::Duration;

/// How a data folder is opened.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `lock_wait` | 1 s | how long to try while another process holds the folder |
/// | `reserve` | 64 MiB | free bytes on the disk that changes leave untouched |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long to try while another process holds the folder: one that was just killed needs a
    /// moment to let go.
    pub lock_wait: Duration,
    /// Free bytes on the disk that changes leave untouched.
    ///
    /// The engine maps files that take their space on the disk only as they are filled; a disk that
    /// is full at that moment would kill the process. Changes are refused before it comes to that.
    /// 64 MiB cover one part of the engine's log, 32 MiB, and what the files grow by meanwhile.
    pub reserve: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lock_wait: Duration::from_secs(1),
            reserve: 64 << 20,
        }
    }
}

impl Options {
    /// Sets how long to try while another process holds the folder.
    #[must_use]
    pub fn with_lock_wait(mut self, lock_wait: Duration) -> Self {
        self.lock_wait = lock_wait;
        self
    }

    /// Sets how many free bytes on the disk changes leave untouched.
    #[must_use]
    pub fn with_reserve(mut self, reserve: u64) -> Self {
        self.reserve = reserve;
        self
    }
}
