//! The same request over HTTP on this machine: our adapter beside a socket and the bare decode.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
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

use crate::overhead::{self, DIMENSIONS, TEXTS, bare, time};

/// Microseconds for a request over HTTP, ours and that of a socket that reads and decodes; and the most
/// memory that ours holds at once, as a multiple of the vectors, when the reply comes as a network
/// brings it and when all of it is there at once.
pub(crate) struct Loopback {
    pub(crate) ours: f64,
    pub(crate) bare: f64,
    pub(crate) memory: f64,
    pub(crate) memory_at_once: f64,
}

/// What a network brings at once: a record of TLS.
const PIECE: usize = 16 << 10;
/// The time between two of them, at 8 MB/s.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) fn measure() -> Result<Loopback, Box<dyn Error>> {
    let body: Arc<[u8]> = overhead::body().into();
    let address = serve(Arc::clone(&body), Duration::ZERO)?;
    let request = overhead::request();
    let written = request.write_body()?;
    let ours = client(address)?;
    let mut socket = Socket::connect(address)?;
    if ours(request.clone())? != bare(&socket.ask(&written)?)?.len() {
        return Err("the two do not read the same".into());
    }
    // What is read ahead depends on how the two threads meet.
    let mut memory_at_once = 0.0_f64;
    for _ in 0..size(50, 5) {
        memory_at_once = memory_at_once.max(held(&ours, request.clone())?);
    }
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
    let slow = client(serve(body, PAUSE)?)?;
    // The first call opens the connection.
    let first = held(&slow, request.clone())?;
    let memory = held(&slow, request)?.max(first);
    Ok(Loopback {
        ours,
        bare,
        memory,
        memory_at_once,
    })
}

/// Returns what asks the server at this address by our adapter, and how many vectors come.
fn client(
    address: SocketAddr,
) -> Result<impl Fn(EmbedTexts) -> Result<usize, ModelError>, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let config = Config::new("pa-none")
        .with_base_url(format!("http://{address}/v1"))
        // The quota is not what is measured.
        .with_rate_limit(1_000_000_000)
        .with_token_limit(1_000_000_000_000);
    let adapter = VoyageAdapter::new(config)?;
    let embed = adapter.capabilities().handle::<EmbedTexts>();
    let embed = embed.ok_or("the adapter embeds")?;
    Ok(move |request: EmbedTexts| {
        let reply = runtime.block_on(embed.call(request));
        reply.map(|reply| reply.vectors.len())
    })
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

/// Answers every request on every connection with `body`, as long as the process lives, and rests
/// between pieces where there is a pause.
fn serve(body: Arc<[u8]>, pause: Duration) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let body = Arc::clone(&body);
            thread::spawn(move || answer(connection, &body, pause));
        }
    });
    Ok(address)
}

/// Ends with the connection.
#[expect(
    clippy::disallowed_methods,
    reason = "a network keeps to the real clock"
)]
fn answer(connection: TcpStream, body: &[u8], pause: Duration) -> io::Result<()> {
    connection.set_nodelay(true)?;
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
fn read_message(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
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
