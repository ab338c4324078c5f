//! A server that speaks HTTP/1.1, over TLS or not.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a network brings at once: a record of TLS.
pub(crate) const PIECE: usize = 16 << 10;

/// Answers every request on every connection with `body`, as long as the process lives, and rests
/// between pieces where there is a pause.
pub(crate) fn serve(
    body: Arc<[u8]>,
    pause: Duration,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<SocketAddr> {
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
pub(crate) fn read_message(reader: &mut BufReader<impl Read>) -> io::Result<Vec<u8>> {
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
