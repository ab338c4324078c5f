//! Downloading a file.

use std::path::Path;

use contexter_model::{Error, ErrorKind};
use reqwest::header::ACCEPT_ENCODING;
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::target::Target;
use crate::{Client, failure};

/// A file that arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
}

impl Client {
    /// Downloads `url` into the file `destination`, replacing it.
    ///
    /// The content is streamed into a temporary file in the same folder, which takes the place of
    /// `destination` in one step when everything has arrived and is on disk. The folder must
    /// exist. `on_progress` hears how many bytes have arrived and how many the server announced.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), contexter_model::Error> {
    /// use contexter_http::{Client, Config};
    ///
    /// let client = Client::new(&Config::default())?;
    /// let file = client
    ///     .download(
    ///         "https://example.org/model.onnx",
    ///         "cache/model.onnx".as_ref(),
    ///         64 << 20,
    ///         |done, total| eprintln!("{done} of {total:?}"),
    ///     )
    ///     .await?;
    /// assert!(file.bytes <= 64 << 20);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for an unacceptable address, [`ErrorKind::TooLarge`] as soon as the
    /// server announces or sends more than `limit_bytes`, [`ErrorKind::Timeout`],
    /// [`ErrorKind::Unavailable`] if the server cannot be reached or breaks off, the kind of the
    /// status it answers, and [`ErrorKind::Unexpected`] if the file cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future removes the temporary file and leaves `destination` as it was.
    pub async fn download(
        &self,
        url: &str,
        destination: &Path,
        limit_bytes: u64,
        on_progress: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<Downloaded, Error> {
        self.fetch_file(url, destination, limit_bytes, on_progress)
            .await
            .map_err(|error| error.with_operation("download"))
    }

    async fn fetch_file(
        &self,
        url: &str,
        destination: &Path,
        limit_bytes: u64,
        mut on_progress: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<Downloaded, Error> {
        let target = Target::parse(url)?;
        let shown = target.redacted();
        let proxy = self.proxy();
        let proxy = proxy.as_deref();
        let mut reply = self
            .get(target)?
            // The announced size and the limit are those of the file.
            .header(ACCEPT_ENCODING, "identity")
            .send()
            .await
            .map_err(|error| failure::of_transport(error, &shown, proxy))?;
        if !reply.status().is_success() {
            return Err(failure::of_status(reply.status(), reply.headers(), &shown));
        }
        let too_large = || {
            Error::new(
                ErrorKind::TooLarge,
                format!("{shown} is larger than the limit of {limit_bytes} bytes"),
            )
        };
        let announced = reply.content_length();
        if announced.is_some_and(|length| length > limit_bytes) {
            return Err(too_large());
        }

        let cannot_write = |error: std::io::Error| {
            Error::new(
                ErrorKind::Unexpected,
                format!("cannot write {}", destination.display()),
            )
            .with_source(error)
        };
        let (mut file, temporary) = create_beside(destination).map_err(cannot_write)?;
        let mut sha256 = Sha256::new();
        let mut bytes = 0_u64;
        on_progress(bytes, announced);
        while let Some(chunk) = reply
            .chunk()
            .await
            .map_err(|error| failure::of_transport(error, &shown, proxy))?
        {
            // Lossless: no chunk in memory is longer than u64::MAX.
            bytes = bytes.saturating_add(chunk.len() as u64);
            if bytes > limit_bytes {
                return Err(too_large());
            }
            sha256.update(&chunk);
            file.write_all(&chunk).await.map_err(cannot_write)?;
            on_progress(bytes, announced);
        }
        // Writing returns while the last piece is on its way, and syncing does not tell if that failed.
        file.flush().await.map_err(cannot_write)?;
        // Synced before the rename: after a power cut the name never points at half a file.
        file.sync_all().await.map_err(cannot_write)?;
        temporary
            .persist(destination)
            .map_err(|refused| cannot_write(refused.error))?;
        tracing::debug!(url = shown, bytes, "downloaded");
        Ok(Downloaded {
            bytes,
            sha256: sha256.finalize().into(),
        })
    }
}

/// Creates a temporary file in the folder of `destination`; dropping the path removes it.
fn create_beside(destination: &Path) -> std::io::Result<(File, TempPath)> {
    let folder = match destination.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let (file, path) = tempfile::Builder::new()
        .prefix(".download-")
        .tempfile_in(folder)?
        .into_parts();
    Ok((File::from_std(file), path))
}
