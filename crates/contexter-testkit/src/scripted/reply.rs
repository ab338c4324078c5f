//! The replies of a script, and what can go wrong with them.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// One reply of a [`ScriptedServer`](crate::ScriptedServer).
#[derive(Clone, Debug)]
#[must_use]
pub struct Scripted {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    manner: Manner,
}

/// How a reply is given.
#[derive(Clone, Debug)]
enum Manner {
    Whole,
    /// Never a byte, with the connection open.
    Hang,
    /// The connection is closed without a byte.
    Close,
    /// So many bytes of the body, then silence, with the connection open.
    Stall(usize),
    /// So many bytes of the body, then a reset.
    Reset(usize),
    /// The first half of the body, then an orderly end.
    Truncated,
    /// The body in pieces of so many bytes, with a pause before each.
    Drip(usize, Duration),
    /// These bytes, and then the connection is closed.
    Raw(Vec<u8>),
}

impl Scripted {
    /// Replies with this status and no body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
            manner: Manner::Whole,
        }
    }

    /// Replies with this status and JSON.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a script is written with `json!` in place"
    )]
    pub fn json(status: u16, body: Value) -> Self {
        Self::status(status)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Replies with this status and text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::status(status)
            .header("content-type", "text/plain; charset=utf-8")
            .body(body.into())
    }

    /// Never replies; the connection stays open.
    pub fn hang() -> Self {
        Self::in_manner(Manner::Hang)
    }

    /// Closes the connection without a reply.
    pub fn close() -> Self {
        Self::in_manner(Manner::Close)
    }

    /// Sends these bytes, which need not be HTTP, and closes the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::in_manner(Manner::Raw(bytes.into()))
    }

    /// Adds a header. `content-length` is added where none is given.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Waits before the first byte.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends so many bytes of the body, and then nothing more, with the connection open.
    pub fn stall_after(mut self, bytes: usize) -> Self {
        self.manner = Manner::Stall(bytes);
        self
    }

    /// Sends so many bytes of the body, and then resets the connection.
    pub fn reset_after(mut self, bytes: usize) -> Self {
        self.manner = Manner::Reset(bytes);
        self
    }

    /// Announces the whole body, sends half of it, and closes the connection.
    pub fn truncated(mut self) -> Self {
        self.manner = Manner::Truncated;
        self
    }

    /// Sends the body in pieces of so many bytes, with a pause before each.
    ///
    /// # Panics
    ///
    /// For pieces of no bytes.
    pub fn drip(mut self, chunk: usize, every: Duration) -> Self {
        assert!(chunk > 0, "a piece has at least one byte");
        self.manner = Manner::Drip(chunk, every);
        self
    }

    fn in_manner(manner: Manner) -> Self {
        Self {
            manner,
            ..Self::status(200)
        }
    }

    /// Gives the reply; returns whether the connection can be used on.
    pub(super) async fn write(self, stream: &mut TcpStream, bodiless: bool) -> io::Result<bool> {
        tokio::time::sleep(self.delay).await;
        let head = self.head();
        let body = if bodiless { &[][..] } else { &self.body[..] };
        match self.manner {
            Manner::Whole => {
                stream.write_all(&[head.as_bytes(), body].concat()).await?;
                return Ok(true);
            }
            Manner::Hang => std::future::pending().await,
            Manner::Close => {}
            Manner::Stall(bytes) => {
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(first(body, bytes)).await?;
                std::future::pending::<()>().await;
            }
            Manner::Reset(bytes) => {
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(first(body, bytes)).await?;
                // Closing now discards what is unsent and resets.
                stream.set_zero_linger()?;
            }
            Manner::Truncated => {
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(first(body, body.len() / 2)).await?;
                stream.shutdown().await?;
            }
            Manner::Drip(chunk, every) => {
                stream.write_all(head.as_bytes()).await?;
                for piece in body.chunks(chunk) {
                    tokio::time::sleep(every).await;
                    stream.write_all(piece).await?;
                }
                return Ok(true);
            }
            Manner::Raw(bytes) => {
                stream.write_all(&bytes).await?;
                stream.shutdown().await?;
            }
        }
        Ok(false)
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        // Writing to a string cannot fail.
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        // RFC 9110, section 8.6: these statuses have no body to measure.
        let measured = !matches!(self.status, 100..=199 | 204 | 304);
        if measured && !has("content-length") && !has("transfer-encoding") {
            let _ = write!(head, "content-length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        head
    }
}

fn first(body: &[u8], bytes: usize) -> &[u8] {
    body.get(..bytes).unwrap_or(body)
}
