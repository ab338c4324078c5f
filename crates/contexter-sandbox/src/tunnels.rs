//! What goes on in a connection that was handed over.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::task::JoinSet;

/// The tunnels of one connection, which keeps them. It is over, and its slot free, when they have ended;
/// if it ends sooner, so do they.
#[derive(Debug, Default)]
pub(crate) struct Opened(Arc<Mutex<JoinSet<()>>>);

/// Opens tunnels in one connection; travels in a request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Tunnels(Weak<Mutex<JoinSet<()>>>);

impl Opened {
    /// Returns what opens them.
    pub(crate) fn tunnels(&self) -> Tunnels {
        Tunnels(Arc::downgrade(&self.0))
    }

    /// Waits until all have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends them.
    pub(crate) async fn ended(self) {
        let mut opened = std::mem::take(&mut *self.0.lock());
        while opened.join_next().await.is_some() {}
    }
}

impl Tunnels {
    /// Opens one, and returns whether it did: the connection may be over.
    pub(crate) fn open(&self, tunnel: impl Future<Output = ()> + Send + 'static) -> bool {
        let Some(opened) = self.0.upgrade() else {
            return false;
        };
        let mut opened = opened.lock();
        while opened.try_join_next().is_some() {}
        opened.spawn(tunnel);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::extract::Request;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{Semaphore, oneshot};

    use super::*;
    use crate::server::{Shutdown, accept, connection};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Hands the connection over, and sends back what comes in.
    async fn echo(mut request: Request) {
        let upgrade = hyper::upgrade::on(&mut request);
        let tunnels = request.extensions().get::<Tunnels>().unwrap();
        assert!(tunnels.open(async move {
            let upgraded = TokioIo::new(upgrade.await.unwrap());
            let (mut from, mut to) = tokio::io::split(upgraded);
            let _client_went = tokio::io::copy(&mut from, &mut to).await;
        }));
    }

    #[tokio::test]
    async fn a_connection_keeps_its_slot_until_its_tunnel_has_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slots = Arc::new(Semaphore::new(1));
        let (_stop, shutdown) = Shutdown::new();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (client, (stream, slot)) = tokio::join!(connecting, accept(&listener, &slots));
        let router = Router::new().fallback(echo);
        let served = tokio::spawn(connection(stream, router, shutdown, slot));

        let mut client = client.unwrap();
        let connect = b"CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n";
        client.write_all(connect).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 200"));
        // What comes back comes by the tunnel, so that hyper is done with the connection.
        client.write_all(b"x").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
        assert_eq!(slots.available_permits(), 0);

        drop(client);
        tokio::time::timeout(PATIENCE, served)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(slots.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_connection_that_ends_ends_its_tunnels() {
        let opened = Opened::default();
        let tunnels = opened.tunnels();
        let (held, freed) = oneshot::channel::<()>();
        assert!(tunnels.open(async move {
            std::future::pending::<()>().await;
            drop(held);
        }));
        drop(opened);
        let freed = tokio::time::timeout(PATIENCE, freed).await.unwrap();
        assert!(freed.is_err());
        assert!(!tunnels.open(async {}));
    }
}
