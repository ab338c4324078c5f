//! A local server that listens, and adapters for it.

use std::net::SocketAddr;
use std::time::Duration;

use contexter_qdrant::remote::{Config, QdrantAdapter};
use contexter_qdrant::server::{LocalServer, Options};
use qdrant_client::Qdrant;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const KEY: &str = "local-key-0123456789";

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A local server, stopped when it is dropped.
pub(crate) struct Served {
    pub(crate) server: LocalServer,
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let options = Options::default()
            .with_api_key(KEY)
            .with_read_only_api_key("read-only-key");
        let server = LocalServer::temporary(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = server.clone().serve(listener, std::future::pending());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            server,
            address,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the vendor's own client.
    pub(crate) fn client(&self) -> Qdrant {
        client(&self.url())
    }

    pub(crate) fn config(&self) -> Config {
        Config::default().with_url(self.url()).with_api_key(KEY)
    }

    pub(crate) fn adapter(&self) -> QdrantAdapter {
        QdrantAdapter::new(self.config()).unwrap()
    }
}

/// Returns the vendor's own client, which gives up after 5 s unless it is told otherwise.
pub(crate) fn client(url: &str) -> Qdrant {
    let client = Qdrant::from_url(url).api_key(KEY).timeout(PATIENCE);
    client.skip_compatibility_check().build().unwrap()
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}
