//! A disk that is soon full.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::left_out::leave_out;

/// A file system in memory, of its own size, on a folder; unmounted when it is dropped.
///
/// Mounting takes a superuser. Where it is not allowed the test is left out, loudly, and listed.
///
/// # Examples
///
/// ```no_run
/// # fn a_full_disk_is_named() -> Result<(), contexter_testkit::Error> {
/// let folder = tempfile::tempdir().unwrap();
/// let Some(disk) = contexter_testkit::SmallDisk::mount(folder.path(), 16, "a_full_disk_is_named")
/// else {
///     return Ok(());
/// };
/// // … fill it …
/// disk.resize(64);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a disk of so many megabytes on the folder `path`; `None` if that cannot be done, and
    /// `test` is then listed as left out.
    ///
    /// # Panics
    ///
    /// When the list of what was left out cannot be written.
    #[must_use]
    pub fn mount(path: &Path, megabytes: u32, test: &str) -> Option<Self> {
        match mount(path, &format!("size={megabytes}m")) {
            Ok(()) => Some(Self(path.to_owned())),
            Err(reason) => {
                leave_out(test, &format!("a small disk to fill: {reason}"));
                None
            }
        }
    }

    /// Makes the disk larger or smaller, as when somebody clears up.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn resize(&self, megabytes: u32) {
        let resized = mount(&self.0, &format!("remount,size={megabytes}m"));
        assert!(resized.is_ok(), "cannot resize the disk: {resized:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind may still have files open.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            let _unheard = writeln!(io::stderr(), "{} stays mounted", self.0.display());
        }
    }
}

fn mount(path: &Path, options: &str) -> Result<(), String> {
    let output = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(path)
        .output()
        .map_err(|error| format!("mount: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    Err(reason.trim().replace('\n', " "))
}
