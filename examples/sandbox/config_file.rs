//! The configuration that points Contexter at the servers.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use contexter_sandbox::Sandbox;

/// Its first line, by which it is known again.
const MARK: &str = "# Written by the sandbox, which replaces this file each time it starts.\n";

/// What `rag_pipeline -- index` fetches when nothing else is said: what Context7's server has.
const LIBRARIES: &str = "libraries:
  - /contexter-rs/contexter-retry
  - /contexter-rs/contexter-breaker
  - /contexter-rs/contexter-limit
  - /websites/contexter_dev
";

/// Refuses a file that somebody else wrote, and one that cannot be written.
pub(crate) fn check(file: &Path) -> Result<()> {
    // A bare name has an empty parent, which is the folder that this runs in.
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        bail!(
            "cannot write {}: {} is no folder",
            file.display(),
            folder.display()
        );
    }
    match fs::read(file) {
        Ok(bytes) if bytes.is_empty() || bytes.starts_with(MARK.as_bytes()) => Ok(()),
        Ok(_) => bail!(
            "{} is there already and was not written by the sandbox; name another file or remove it",
            file.display()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", file.display())),
    }
}

/// Writes it, and beside it the certificate by which the proxy is trusted.
pub(crate) fn write(file: &Path, sandbox: &Sandbox) -> Result<()> {
    let certificate = file.with_extension("brightdata-ca.pem");
    let text = format!(
        "{MARK}# Other clients of the proxy trust it by the certificate in {}.\n\
         # Without `zone`, the pages of services.brightdata come by that proxy.\n{}{LIBRARIES}",
        certificate.display(),
        sandbox.config_yaml()
    );
    let write = |file: &Path, text: &str| {
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    write(&certificate, sandbox.brightdata().ca_pem())?;
    write(file, &text)
}
