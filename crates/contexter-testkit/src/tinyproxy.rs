//! A forward proxy.

use crate::Builder;
use crate::Error;
use crate::Server;

/// A tinyproxy that asks for a user and a password, and connects to any port.
///
/// # Examples
///
/// ```no_run
/// use contexter_testkit::Tinyproxy;
///
/// # fn main() -> Result<(), contexter_testkit::Error> {
/// contexter_testkit::require!("tinyproxy"; Ok(()));
/// let proxy = Tinyproxy::start("alice", "s3cret")?;
/// println!("go through {}", proxy.url());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tinyproxy;

impl Tinyproxy {
    /// Starts a proxy on a free port.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub fn start(user: &str, password: &str) -> Result<Server, Error> {
        Self::builder(user, password).start()
    }

    /// Returns the description of the proxy.
    ///
    /// User and password are words without white space, as its configuration has them.
    #[must_use]
    pub fn builder(user: &str, password: &str) -> Builder {
        // It reads nothing but a file, so the file is given to it by the shell that becomes it.
        // Without `ConnectPort` lines any port can be connected to.
        let config = format!(
            "Port {{port}}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogLevel Connect\n\
             BasicAuth {user} {password}\n"
        );
        Builder::new("tinyproxy", "tinyproxy-bin", "http")
            .file("tinyproxy.conf", &config)
            .args(["-d", "-c", "{dir}/tinyproxy.conf"])
            // Refuses who shows nothing, which tells that it is this proxy that listens.
            .ready(
                b"GET http://127.0.0.1:9/ HTTP/1.0\r\n\r\n",
                ["407", "tinyproxy"],
            )
    }
}
