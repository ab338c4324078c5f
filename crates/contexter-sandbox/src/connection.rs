//! Connections that a fault can end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As any connection does.
    Open,
    /// At once, with FIN.
    Close,
    /// At once, with RST: what was not sent yet is thrown away.
    Reset,
}

/// Ends one connection from within a request on it; travels in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Hangup(Arc<watch::Sender<End>>);

impl Hangup {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(End::Open)))
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        self.0.send_replace(End::Close);
    }

    /// Resets the connection.
    pub(crate) fn reset(&self) {
        self.0.send_replace(End::Reset);
    }

    /// Waits until the connection is to end.
    pub(crate) async fn requested(&self) {
        let mut end = self.0.subscribe();
        // It cannot fail while `self` holds the sender.
        if end.wait_for(|end| *end != End::Open).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn is_reset(&self) -> bool {
        *self.0.borrow() == End::Reset
    }
}

/// A connection that is reset instead of closed if its [`Hangup`] says so.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    hangup: Hangup,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, hangup: Hangup) -> Self {
        Self { stream, hangup }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.hangup.is_reset() {
            // With a linger time of zero, closing sends RST. It fails only on a dead socket.
            let _dead = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
