//! The file of the journal: appended to, or replaced as a whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::LedgerError;
use super::line::{State, write_line};

/// Opens the file behind its last whole line; what a crash left of another one is cut off.
pub(super) fn open_for_append(path: &Path) -> Result<File, LedgerError> {
    let io = |error| LedgerError::io(path, "open", error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(io)?;
    let whole = whole_lines(path).map_err(io)?;
    file.set_len(whole).map_err(io)?;
    file.seek(SeekFrom::End(0)).map_err(io)?;
    Ok(file)
}

/// Puts a file that holds this state and nothing else in the place of the journal, and returns it,
/// to be appended to. It is there after a power failure only when its folder is
/// [synced](sync_folder).
pub(super) fn replace(path: &Path, state: &State) -> Result<File, LedgerError> {
    let temporary = path.with_extension("jsonl.new");
    let write = || -> io::Result<File> {
        let mut text = Vec::new();
        for line in state.live_lines() {
            write_line(&mut text, &line)?;
        }
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        Ok(file)
    };
    write().map_err(|error| LedgerError::io(path, "write", error))
}

/// Makes the names in the folder of the journal durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), LedgerError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| LedgerError::io(path, "write", error)),
        _ => Ok(()),
    }
}

fn whole_lines(path: &Path) -> io::Result<u64> {
    let bytes = std::fs::read(path)?;
    let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    Ok(end as u64)
}
