//! One listener: accepts, serves, and stops gracefully.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::connection::{Hangup, Socket};

/// How many connections a listener serves at a time; more wait to be accepted.
pub(crate) const MAX_CONNECTIONS: usize = 1024;

/// How long requests under way may take when the sandbox stops.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// How long the listener rests when a connection cannot be accepted, mostly for want of descriptors.
const REST: Duration = Duration::from_millis(50);

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
/// Every request has the [`Hangup`] of its connection among its extensions. Upgrades work, `CONNECT`
/// included: it arrives at the router's fallback.
///
/// # Cancel safety
///
/// Dropping the future drops every connection.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
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

async fn connection(
    stream: TcpStream,
    router: Router,
    shutdown: Shutdown,
    _slot: OwnedSemaphorePermit,
) {
    let hangup = Hangup::new();
    let socket = TokioIo::new(Socket::new(stream, hangup.clone()));
    let in_request = hangup.clone();
    let service = router.map_request(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(in_request.clone());
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
}
