//! One listener: accepts, serves, and stops gracefully.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Version;
use axum::http::header::EXPECT;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Error, Router};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::connection::{Hangup, Socket};
use crate::tunnels::Opened;

/// How many connections a listener serves at a time; more wait to be accepted.
pub(crate) const MAX_CONNECTIONS: usize = 1024;

/// How long requests under way may take when the sandbox stops.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// How long the listener rests when a connection cannot be accepted, mostly for want of descriptors.
const REST: Duration = Duration::from_millis(50);

/// How many bytes that nobody reads are taken from a client before it gets its reply.
const MAX_UNREAD: usize = 32 << 20;

/// And for how long.
const UNREAD_TIME: Duration = Duration::from_secs(5);

/// Says when to stop.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Returns the two ends; dropping the sender stops as well.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Waits until it is time to stop.
    pub(crate) async fn requested(&self) {
        let mut stopped = self.0.clone();
        let _stopped_or_dropped = stopped.wait_for(|stopped| *stopped).await;
    }
}

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge) on the listener until it is time to stop.
///
/// Every request has the [`Hangup`] of its connection among its extensions, and its
/// [`Tunnels`](crate::tunnels::Tunnels). Upgrades work, `CONNECT` included: it arrives at the router's
/// fallback. A reply waits for the rest of its request, as [`drain_unread`] has it.
///
/// # Cancel safety
///
/// Dropping the future drops every connection.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let router = router.layer(middleware::from_fn(drain_unread));
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        let (stream, slot) = accepted;
        connections.spawn(connection(stream, router.clone(), shutdown.clone(), slot));
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests were still under way"
        );
        connections.shutdown().await;
    }
}

/// Waits for a free slot, then for a connection.
pub(crate) async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .expect("nobody closes the semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                // Small replies must not wait for the acknowledgement of the one before.
                let _dead = stream.set_nodelay(true);
                return (stream, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

pub(crate) async fn connection(
    stream: TcpStream,
    router: Router,
    shutdown: Shutdown,
    _slot: OwnedSemaphorePermit,
) {
    let hangup = Hangup::new();
    let socket = TokioIo::new(Socket::new(stream, hangup.clone()));
    let opened = Opened::default();
    let in_request = (hangup.clone(), opened.tunnels());
    let service = router.map_request(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        let (hangup, tunnels) = in_request.clone();
        request.extensions_mut().insert(hangup);
        request.extensions_mut().insert(tunnels);
        request
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let served = builder.serve_connection_with_upgrades(socket, TowerToHyperService::new(service));
    tokio::pin!(served);
    let outcome = tokio::select! {
        biased;
        () = hangup.requested() => return,
        outcome = served.as_mut() => outcome,
        () = shutdown.requested() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                () = hangup.requested() => return,
                outcome = served.as_mut() => outcome,
            }
        }
    };
    if let Err(error) = outcome {
        // A client that goes away in mid-reply is no trouble of ours.
        tracing::debug!(%error, "a connection ended early");
    }
    // A connection that was handed over is over when its tunnels are.
    tokio::select! {
        () = hangup.requested() => {}
        () = opened.ended() => {}
    }
}

/// Reads what is left of a request's body once there is a reply, and only then lets it be sent.
///
/// Over HTTP/1 a connection is closed after a reply to a request that was not read to its end. Closed
/// with data unread it is reset, and a client that is still sending may see that in place of the reply.
/// Over HTTP/2 it is only the stream that ends.
pub(crate) async fn drain_unread(request: Request, next: Next) -> Response {
    let is_stream = request.version() >= Version::HTTP_2;
    // Who waits to be told to go on has sent nothing, and is not to be told by our reading.
    let waits = request.headers().contains_key(EXPECT);
    if is_stream || waits || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (back, mut returned) = oneshot::channel();
    let back = Some(back);
    let request = request.map(|body| Body::new(Lent { body, back }));
    let response = next.run(request).await;
    if let Ok(body) = returned.try_recv() {
        discard(body, MAX_UNREAD, UNREAD_TIME).await;
    }
    response
}

/// Reads a body to its end, or so much of it, for so long at most.
async fn discard(mut body: Body, bytes: usize, time: Duration) {
    let reading = async {
        let mut left = bytes;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(size) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    if tokio::time::timeout(time, reading).await.is_err() {
        tracing::debug!("a request was not sent to its end");
    }
}

/// The body of a request, which comes back when it is dropped.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            // Nobody waits for it where the reply was sooner.
            let _not_awaited = back.send(std::mem::take(&mut self.body));
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::stream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn so_much_of_a_body_is_read_and_no_more() {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&read);
        let endless = stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from_static(&[0; 100]))
        });
        let discarded = discard(Body::from_stream(endless), 1_000, PATIENCE * 2);
        tokio::time::timeout(PATIENCE, discarded).await.unwrap();
        assert_eq!(read.load(Ordering::Relaxed), 11);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let discarded = discard(silent, 1_000, Duration::from_millis(1));
        tokio::time::timeout(PATIENCE, discarded).await.unwrap();
    }
}
