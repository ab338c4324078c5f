//! Reading one file as text, or saying why not.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The largest file that is read, in bytes: 16 MiB. The documentation of a whole language fits;
/// what is larger is data.
pub(crate) const MAX_FILE_BYTES: u64 = 16 << 20;

/// Reads a text file of at most `max_bytes`; the error is the reason for people.
///
/// The size is looked up before anything is read, so a huge file costs nothing.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<String, String> {
    let cannot_read = |error: std::io::Error| format!("cannot be read: {error}");
    let too_large = |size: u64| format!("{size} bytes, more than the limit of {max_bytes} bytes");

    // Before opening: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(cannot_read)?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    if metadata.len() > max_bytes {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(cannot_read)?
        // The file may have grown since.
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(cannot_read)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    if bytes.contains(&0) {
        return Err("binary file".to_owned());
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("not valid utf-8 at byte {at}")
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    if text.contains('\r') {
        text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
    Ok(text)
}
