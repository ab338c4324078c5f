//! An HTTP server that answers by a script and remembers what it was asked.

mod reply;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub use reply::Scripted;

/// A server on a loopback port that speaks HTTP/1.1, answers by a script, and records each request.
///
/// The replies are given in their order, over all connections; the last one repeats. Connections
/// are kept alive, as servers do, unless a reply breaks them. Requests in absolute form are
/// recorded as they came, so that it can stand in for a forward proxy. It stops when dropped.
///
/// # Examples
///
/// ```
/// use contexter_testkit::{Scripted, ScriptedServer};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = ScriptedServer::start(vec![
///     Scripted::status(429).header("retry-after", "2").body("slow down"),
///     Scripted::json(200, json!({ "ok": true })),
/// ])
/// .await;
/// let base_url = server.base_url();
/// // … a client asks …
/// assert!(server.requests().is_empty());
/// # }
/// ```
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// The address of the client, which is the same for the requests of one connection.
    pub from: SocketAddr,
    /// The method.
    pub method: String,
    /// The path with its query, or the whole URL where a proxy was asked.
    pub path: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of chunks.
    pub body: Vec<u8>,
}

impl Recorded {
    /// Returns the first value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "a test that asks for json asserts that it is there"
    )]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "the body is no json ({error}): {}",
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    /// Returns the body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    script: Vec<Scripted>,
    recorded: Mutex<Vec<Recorded>>,
}

impl Shared {
    /// Keeps a request and returns the reply to it.
    fn record(&self, request: Recorded) -> Scripted {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = self
            .script
            .get(recorded.len())
            .or_else(|| self.script.last());
        recorded.push(request);
        reply.cloned().unwrap_or_else(|| Scripted::status(404))
    }
}

impl ScriptedServer {
    /// Starts a server with this script; an empty one answers everything with 404.
    ///
    /// # Panics
    ///
    /// When no port of the loopback address can be had.
    pub async fn start(script: Vec<Scripted>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port can be had");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            script,
            recorded: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            task,
        }
    }

    /// Returns the address: `http://127.0.0.1:40001`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the requests that have come whole so far, in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared
            .recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves connections until it is aborted, which ends them too.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
            }
            // Lets go of those that have ended.
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Answers the requests of one connection, until the client or a reply ends it.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = wire::read(&mut stream).await {
        let bodiless = request.method == "HEAD";
        let reply = shared.record(request);
        // A client that has seen enough closes the connection: that is no fault here.
        if !reply
            .write(stream.get_mut(), bodiless)
            .await
            .unwrap_or(false)
        {
            return;
        }
    }
}
