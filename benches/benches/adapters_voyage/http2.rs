//! A server that speaks HTTP/2 over TLS.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::http1::PIECE;

/// Answers every request on every connection with `body`, as long as the process lives, and rests
/// between pieces where there is a pause.
pub(crate) fn serve(
    body: Arc<[u8]>,
    pause: Duration,
    tls: Arc<ServerConfig>,
) -> Result<SocketAddr, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(tls);
    let body = Bytes::from_owner(body);
    thread::spawn(move || {
        runtime.block_on(async {
            while let Ok((stream, _peer)) = listener.accept().await {
                tokio::spawn(connection(acceptor.clone(), stream, body.clone(), pause));
            }
        });
    });
    Ok(address)
}

/// Ends with the connection.
async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    body: Bytes,
    pause: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let served = h2::server::handshake(stream).await;
    let mut served = served.map_err(io::Error::other)?;
    while let Some(accepted) = served.accept().await {
        let (request, respond) = accepted.map_err(io::Error::other)?;
        tokio::spawn(answer(request, respond, body.clone(), pause));
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    body: Bytes,
    pause: Duration,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut asked = request.into_body();
    while let Some(data) = asked.data().await {
        asked.flow_control().release_capacity(data?.len())?;
    }
    let head = Response::builder()
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .body(())?;
    let mut reply = respond.send_response(head, false)?;
    let mut rest = body;
    while !rest.is_empty() && !pause.is_zero() {
        let piece = rest.split_to(PIECE.min(rest.len()));
        reply.send_data(piece, rest.is_empty())?;
        tokio::time::sleep(pause).await;
    }
    if !rest.is_empty() {
        reply.send_data(rest, true)?;
    }
    Ok(())
}
