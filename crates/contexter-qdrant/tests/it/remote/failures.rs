//! What the server and the connection report, as errors of the model.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_model::{Count, Error, ErrorKind, Filter, ListAliases};
use contexter_qdrant::remote::{Config, QdrantAdapter, RemoteStore};
use contexter_qdrant::server::{LocalServer, Options};
use contexter_service::{Service, Verdict};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Status};

use super::served::{KEY, PATIENCE, Served};
use super::statuses::{YES, table};

/// A server that answers the first calls with a status and then properly.
struct Failing {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Failing {
    async fn start(
        times: usize,
        status: impl Fn() -> Status + Clone + Send + Sync + 'static,
    ) -> Self {
        let server = LocalServer::temporary(Options::default()).await.unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let fail = move |request: Request<()>| {
            if counted.fetch_add(1, Ordering::SeqCst) < times {
                Err(status())
            } else {
                Ok(request)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Server::builder()
            .layer(InterceptorLayer::new(fail))
            .add_routes(server.routes())
            .serve_with_incoming(TcpIncoming::from(listener));
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            address,
            calls,
            task,
        }
    }

    fn config(&self) -> Config {
        Config::default()
            .with_url(format!("http://{}", self.address))
            .with_api_key(KEY)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn every_status_has_its_kind_verdict_and_message() {
    for case in table() {
        let failing = Failing::start(usize::MAX, case.status).await;
        let store = RemoteStore::new(&failing.config()).unwrap();
        let error = store.call(ListAliases).await.unwrap_err();

        let context = format!("{:?}: {error:?}", (case.status)());
        assert_eq!(error.message(), case.message);
        assert_eq!(error.kind(), case.kind, "{context}");
        assert_eq!(error.again(), case.again, "{context}");
        assert_eq!(error.sample(), case.sample, "{context}");
        assert_eq!(error.service(), Some("qdrant"));
        assert_eq!(error.operation(), Some("list_aliases"));
        assert!(error.sent(), "{context}");
        assert!(
            !context
                .replace(&format!("{:?}", (case.status)()), "")
                .contains(KEY)
        );
        assert_eq!(
            failing.calls(),
            1,
            "a call without a stack is sent once: {context}"
        );
    }
}

#[tokio::test]
async fn a_long_message_is_cut() {
    let failing = Failing::start(usize::MAX, || Status::unavailable("x".repeat(5_000))).await;
    let store = RemoteStore::new(&failing.config()).unwrap();
    let error = store.call(ListAliases).await.unwrap_err();
    assert!(error.message().len() < 400, "{}", error.message().len());
    assert!(error.message().ends_with('…'));
}

#[tokio::test]
async fn the_stack_sends_as_often_as_it_says() {
    let failing = Failing::start(usize::MAX, || Status::unavailable("down")).await;
    let mut config = failing.config();
    config.retry_config.max_attempts = Some(3);
    config.retry_config.base_delay = Some(Duration::from_millis(1));
    let adapter = QdrantAdapter::new(config).unwrap();
    let list = adapter.capabilities().handle::<ListAliases>().unwrap();

    let error = list.call(ListAliases).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(failing.calls(), 3);
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    let failing = Failing::start(2, || Status::internal("once")).await;
    let mut config = failing.config();
    config.retry_config.base_delay = Some(Duration::from_millis(1));
    let adapter = QdrantAdapter::new(config).unwrap();
    let list = adapter.capabilities().handle::<ListAliases>().unwrap();
    assert_eq!(list.call(ListAliases).await.unwrap(), []);
    assert_eq!(failing.calls(), 3);
}

/// A port on which nobody listens; nobody else gets it while it is held.
fn silent_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

async fn counted(config: &Config) -> Error {
    let store = RemoteStore::new(config).unwrap();
    let count = Count {
        collection: "chunks".into(),
        filter: Filter::all(),
    };
    tokio::time::timeout(PATIENCE, store.call(count))
        .await
        .expect("a call ends")
        .unwrap_err()
}

#[tokio::test]
async fn a_server_that_is_not_there_was_not_reached() {
    let (_held, address) = silent_port();
    let config = Config::default().with_url(format!("http://{address}"));
    let error = counted(&config).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.sent() && !error.is_rejection(), "{error:?}");
    assert!(
        error
            .message()
            .starts_with(&format!("cannot connect to http://{address}: ")),
        "{error}"
    );
    assert_eq!(error.again(), YES);
}

/// Takes connections and says nothing, as long as it lives; counts them.
struct Hanging {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Hanging {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                held.push(listener.accept().await.unwrap());
                counting.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            address,
            connections,
            task,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_once() {
    let server = Hanging::start().await;
    let config = Config::default()
        .with_url(format!("http://{}", server.address))
        .with_timeout(Duration::from_millis(200));
    let error = counted(&config).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(error.message(), "the server did not answer in time");
    assert_eq!(server.connections(), 1, "and not tried again");
}

#[tokio::test]
async fn a_handshake_without_an_answer_is_given_up_and_begun_anew() {
    let server = Hanging::start().await;
    let config = Config::default()
        .with_url(format!("https://{}", server.address))
        .with_connect_timeout(Duration::from_millis(100))
        .with_connections(1);
    let store = RemoteStore::new(&config).unwrap();
    for connections in 1..=2 {
        let counted = tokio::time::timeout(PATIENCE, store.call(ListAliases)).await;
        let error = counted
            .expect("it ends long before the call would")
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(!error.sent(), "{error:?}");
        assert!(
            error.message().starts_with("cannot connect to https://"),
            "{error}"
        );
        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_a_failure_of_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cutting = tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let error = counted(&Config::default().with_url(format!("http://{address}"))).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(error.again(), YES);
    cutting.abort();
}

#[tokio::test]
async fn a_server_of_another_protocol_is_no_panic() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let talking = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await;
        }
    });
    let error = counted(&Config::default().with_url(format!("http://{address}"))).await;
    assert!(
        matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Protocol),
        "{error:?}"
    );
    talking.abort();
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    // Whoever is given the port in between keeps it: then another one is tried.
    for _ in 0..5 {
        if restarted_server_is_found().await {
            return;
        }
    }
    panic!("no server got its port back");
}

/// Returns whether the new server could have the port of the old one.
async fn restarted_server_is_found() -> bool {
    let served = Served::start().await;
    let adapter = served.adapter();
    let list = adapter.capabilities().handle::<ListAliases>().unwrap();
    list.call(ListAliases).await.unwrap();
    let address = served.address;
    drop(served);

    let anew = LocalServer::temporary(Options::default()).await.unwrap();
    // The port is free once the old listener is gone.
    let deadline = tokio::time::Instant::now() + PATIENCE / 3;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_taken) if tokio::time::Instant::now() > deadline => return false,
            Err(_taken) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let serving = tokio::spawn(anew.serve(listener, std::future::pending()));
    assert_eq!(list.call(ListAliases).await.unwrap(), []);
    serving.abort();
    true
}
