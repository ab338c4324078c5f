//! The same request over HTTP on this machine: our adapter beside a socket and the bare decode.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure as count};
use contexter_adapter::ServiceAdapter as _;
use contexter_benches::{interleaved, size};
use contexter_model::Error as ModelError;
use contexter_service::Service as _;
use contexter_voyage::{Config, EmbedTexts, VoyageAdapter};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::overhead::{self, DIMENSIONS, TEXTS, bare, time};

/// Microseconds for a request over HTTP, ours and that of a socket that reads and decodes; and the most
/// memory that ours holds at once, as a multiple of the vectors: over TLS, as everything is reached that
/// is not on this machine, when the reply comes as a network brings it and when all of it is there at
/// once; and over plain HTTP, when all of it is there at once.
pub(crate) struct Loopback {
    pub(crate) ours: f64,
    pub(crate) bare: f64,
    pub(crate) memory: f64,
    pub(crate) memory_at_once: f64,
    pub(crate) memory_at_once_plain: f64,
}

/// What a network brings at once: a record of TLS.
const PIECE: usize = 16 << 10;
/// The time between two of them, at 8 MB/s.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) fn measure() -> Result<Loopback, Box<dyn Error>> {
    let body: Arc<[u8]> = overhead::body().into();
    let request = overhead::request();
    let written = request.write_body()?;
    let address = serve(Arc::clone(&body), Duration::ZERO, None)?;
    let ours = client(&format!("http://{address}/v1"), None)?;
    let mut socket = Socket::connect(address)?;
    if ours(request.clone())? != bare(&socket.ask(&written)?)?.len() {
        return Err("the two do not read the same".into());
    }
    let memory_at_once_plain = most(&ours, &request, size(50, 5))?;
    let calls = size(200, 20);
    let (ours, bare) = interleaved(
        11,
        || {
            let requests = vec![request.clone(); calls];
            time(requests, |request| ours(request).unwrap_or_default())
        },
        || {
            time(vec![(); calls], |()| {
                let body = socket.ask(&written).unwrap_or_default();
                bare(&body).map_or(0, |vectors| vectors.len())
            })
        },
    );
    let over_tls = |pause| {
        let tls = Tls::new()?;
        let address = serve(Arc::clone(&body), pause, Some(tls.config))?;
        let url = format!("https://localhost:{}/v1", address.port());
        client(&url, Some(&tls.root_pem))
    };
    Ok(Loopback {
        ours,
        bare,
        memory: most(&over_tls(PAUSE)?, &request, 2)?,
        memory_at_once: most(&over_tls(Duration::ZERO)?, &request, size(50, 5))?,
        memory_at_once_plain,
    })
}

/// Returns what asks the server at this URL by our adapter, and how many vectors come.
fn client(
    base_url: &str,
    root_pem: Option<&str>,
) -> Result<impl Fn(EmbedTexts) -> Result<usize, ModelError> + use<>, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let config = Config::new("pa-none")
        .with_base_url(base_url)
        // The quota is not what is measured.
        .with_rate_limit(1_000_000_000)
        .with_token_limit(1_000_000_000_000);
    let mut http = contexter_http::Config::default();
    if let Some(pem) = root_pem {
        http = http.root_certificate_pem(pem.as_bytes());
    }
    let http = contexter_http::Client::new(&http)?;
    let adapter = VoyageAdapter::builder().http(http).build(config)?;
    let embed = adapter.capabilities().handle::<EmbedTexts>();
    let embed = embed.ok_or("the adapter embeds")?;
    Ok(move |request: EmbedTexts| {
        let reply = runtime.block_on(embed.call(request));
        reply.map(|reply| reply.vectors.len())
    })
}

/// Returns the most that any of some calls holds at once. The first opens the connection, and what is
/// read ahead depends on how the two threads meet.
fn most(
    ours: &impl Fn(EmbedTexts) -> Result<usize, ModelError>,
    request: &EmbedTexts,
    calls: usize,
) -> Result<f64, Box<dyn Error>> {
    let mut most = 0.0_f64;
    for _ in 0..calls {
        most = most.max(held(ours, request.clone())?);
    }
    Ok(most)
}

/// Returns the most that a call holds at once, as a multiple of the vectors. What this thread allocates
/// is counted, and a block that grows counts twice meanwhile; the server has another thread.
#[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
fn held(
    ours: &impl Fn(EmbedTexts) -> Result<usize, ModelError>,
    request: EmbedTexts,
) -> Result<f64, Box<dyn Error>> {
    let mut read = Ok(0);
    let AllocationInfo { bytes_max, .. } = count(|| read = ours(request));
    if read? != TEXTS {
        return Err("a vector is missing".into());
    }
    let vectors = TEXTS * DIMENSIONS as usize * size_of::<f32>();
    Ok(bytes_max as f64 / vectors as f64)
}

/// What a server over TLS needs, and what trusts it.
struct Tls {
    config: Arc<ServerConfig>,
    root_pem: String,
}

impl Tls {
    fn new() -> Result<Self, Box<dyn Error>> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())?;
        Ok(Self {
            config: Arc::new(config),
            root_pem: made.cert.pem(),
        })
    }
}

/// Answers every request on every connection with `body`, as long as the process lives, and rests
/// between pieces where there is a pause.
fn serve(
    body: Arc<[u8]>,
    pause: Duration,
    tls: Option<Arc<ServerConfig>>,
) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (body, tls) = (Arc::clone(&body), tls.clone());
            thread::spawn(move || {
                connection.set_nodelay(true)?;
                match tls.map(ServerConnection::new) {
                    None => answer(connection, &body, pause),
                    Some(tls) => {
                        let tls = tls.map_err(io::Error::other)?;
                        answer(StreamOwned::new(tls, connection), &body, pause)
                    }
                }
            });
        }
    });
    Ok(address)
}

/// Ends with the connection.
#[expect(
    clippy::disallowed_methods,
    reason = "a network keeps to the real clock"
)]
fn answer(connection: impl Read + Write, body: &[u8], pause: Duration) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let reply = [head.as_bytes(), body].concat();
    loop {
        read_message(&mut reader)?;
        if pause.is_zero() {
            reader.get_mut().write_all(&reply)?;
            continue;
        }
        for piece in reply.chunks(PIECE) {
            reader.get_mut().write_all(piece)?;
            thread::sleep(pause);
        }
    }
}

/// Reads a head and the body that it announces.
fn read_message(reader: &mut BufReader<impl Read>) -> io::Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}

/// What one can do with no client at all.
struct Socket {
    reader: BufReader<TcpStream>,
}

impl Socket {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let connection = TcpStream::connect(address)?;
        connection.set_nodelay(true)?;
        Ok(Self {
            reader: BufReader::new(connection),
        })
    }

    fn ask(&mut self, body: &[u8]) -> io::Result<Vec<u8>> {
        let head = format!(
            "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer pa-none\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        self.reader.get_mut().write_all(&request)?;
        read_message(&mut self.reader)
    }
}
