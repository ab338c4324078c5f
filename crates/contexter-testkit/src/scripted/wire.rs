//! Reading requests of HTTP/1.1.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Recorded;

/// The longest head that is read, in bytes.
const LONGEST_HEAD: usize = 64 << 10;

/// How many headers a request may have.
const MOST_HEADERS: usize = 128;

/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 256 << 20;

/// Reads one request; `None` when the client is gone, or sends what is no HTTP.
pub(super) async fn read(stream: &mut BufReader<TcpStream>) -> Option<Recorded> {
    let head = read_head(stream).await?;
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    request
        .parse(&head)
        .ok()
        .filter(httparse::Status::is_complete)?;
    let mut recorded = Recorded {
        from: stream.get_ref().peer_addr().ok()?,
        method: request.method?.to_owned(),
        path: request.path?.to_owned(),
        headers: request
            .headers
            .iter()
            .map(|header| {
                (
                    header.name.to_ascii_lowercase(),
                    String::from_utf8_lossy(header.value).into_owned(),
                )
            })
            .collect(),
        body: Vec::new(),
    };
    if recorded.header("expect").is_some() {
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        stream.get_mut().write_all(go_on).await.ok()?;
    }
    let chunked = recorded
        .header("transfer-encoding")
        .is_some_and(|encoding| encoding.contains("chunked"));
    recorded.body = if chunked {
        read_chunks(stream).await?
    } else {
        let length = recorded.header("content-length").unwrap_or("0");
        read_exact(stream, length.trim().parse().ok()?).await?
    };
    Some(recorded)
}

/// Reads up to the empty line.
async fn read_head(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read_until(b'\n', &mut head).await.ok()?;
        if read == 0 || head.len() > LONGEST_HEAD {
            return None;
        }
    }
    Some(head)
}

async fn read_exact(stream: &mut BufReader<TcpStream>, length: usize) -> Option<Vec<u8>> {
    if length > LARGEST_BODY {
        return None;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

/// Reads chunks up to the last one, and leaves trailers aside (RFC 9112, section 7.1).
async fn read_chunks(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream).await?;
        let size = line.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        if body.len().checked_add(size)? > LARGEST_BODY {
            return None;
        }
        body.extend(read_exact(stream, size).await?);
        read_line(stream).await?;
    }
    while !read_line(stream).await?.is_empty() {}
    Some(body)
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
