//! The same request over HTTP on this machine: our adapter beside a socket and the bare decode.

use std::error::Error;
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure as count};
use contexter_adapter::ServiceAdapter as _;
use contexter_benches::{interleaved, size};
use contexter_model::Error as ModelError;
use contexter_service::Service as _;
use contexter_testkit::SelfSigned;
use contexter_voyage::{Config, EmbedTexts, VoyageAdapter};

use crate::overhead::{self, DIMENSIONS, TEXTS, bare, time};
use crate::{http1, http2};

/// Microseconds for a request over HTTP, ours and that of a socket that reads and decodes, and ours over TLS
/// by either version; and the most memory that ours holds at once, as a multiple of the vectors.
pub(crate) struct Loopback {
    pub(crate) ours: f64,
    pub(crate) bare: f64,
    pub(crate) http2: f64,
    pub(crate) http1: f64,
    pub(crate) memory: Memory,
}

/// Over TLS, as everything is reached that is not on this machine, by HTTP/2 and HTTP/1.1: when the reply
/// comes as a network brings it, and when all of it is there at once; and over plain HTTP, when all of it
/// is there at once.
pub(crate) struct Memory {
    pub(crate) http2: f64,
    pub(crate) http2_at_once: f64,
    pub(crate) http1: f64,
    pub(crate) http1_at_once: f64,
    pub(crate) plain_at_once: f64,
}

/// The time between two pieces of a reply, at 8 MB/s.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) fn measure() -> Result<Loopback, Box<dyn Error>> {
    let body: Arc<[u8]> = overhead::body().into();
    let request = overhead::request();
    let written = request.write_body()?;
    let address = http1::serve(Arc::clone(&body), Duration::ZERO, None)?;
    let ours = client(&format!("http://{address}/v1"), None)?;
    let mut socket = Socket::connect(address)?;
    if ours(request.clone())? != bare(&socket.ask(&written)?)?.len() {
        return Err("the two do not read the same".into());
    }
    let plain_at_once = most(&ours, &request, size(50, 5))?;
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
    let over_tls = |is_http2, pause| {
        let body = Arc::clone(&body);
        let (address, root_pem) = if is_http2 {
            let made = SelfSigned::for_localhost(&[b"h2"]);
            (http2::serve(body, pause, made.config)?, made.root_pem)
        } else {
            let made = SelfSigned::for_localhost(&[b"http/1.1"]);
            (http1::serve(body, pause, Some(made.config))?, made.root_pem)
        };
        let url = format!("https://localhost:{}/v1", address.port());
        client(&url, Some(&root_pem))
    };
    let (by_http2, by_http1) = (
        over_tls(true, Duration::ZERO)?,
        over_tls(false, Duration::ZERO)?,
    );
    let memory = Memory {
        http2: most(&over_tls(true, PAUSE)?, &request, 2)?,
        http2_at_once: most(&by_http2, &request, size(50, 5))?,
        http1: most(&over_tls(false, PAUSE)?, &request, 2)?,
        http1_at_once: most(&by_http1, &request, size(50, 5))?,
        plain_at_once,
    };
    let timed = |ours: &dyn Fn(EmbedTexts) -> Result<usize, ModelError>| {
        let requests = vec![request.clone(); calls];
        time(requests, |request| ours(request).unwrap_or_default())
    };
    let (http2, http1) = interleaved(11, || timed(&by_http2), || timed(&by_http1));
    Ok(Loopback {
        ours,
        bare,
        http2,
        http1,
        memory,
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
    let mut http = contexter_http::Config::default().http2();
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
        http1::read_message(&mut self.reader)
    }
}
