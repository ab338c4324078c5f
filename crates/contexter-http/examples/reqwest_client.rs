//! A plain reqwest client behind a retry, a breaker and a timeout, against a server that is busy,
//! asks to wait, and recovers: `cargo run -p contexter-http --example reqwest_client`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, SystemTime};

use contexter_breaker::Breaker;
use contexter_retry::{Retry, parse_retry_after};
use contexter_service::{ByStatus, Cx, Elapsed, HttpStatus, Open, Policy};
use contexter_timeout::Timeout;
use reqwest::{Response, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// One error type for everything: the mechanisms' refusals and the client's own errors.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Open(#[from] Open),
    #[error(transparent)]
    Elapsed(#[from] Elapsed),
    #[error("the request failed")]
    Http(#[from] reqwest::Error),
}

/// What the status of an answer means; an answer of 429 or 503 may name the time to wait.
fn status(out: &Result<Response, Error>) -> Option<HttpStatus> {
    let answer = out.as_ref().ok()?;
    let wait = answer.headers().get(header::RETRY_AFTER);
    let mut status = HttpStatus::from(answer.status().as_u16());
    status.retry_after = wait
        .and_then(|value| value.to_str().ok())
        .and_then(|value| parse_retry_after(value, SystemTime::now()));
    Some(status)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = serve(&[
        "503 Service Unavailable\r\nretry-after: 1",
        "429 Too Many Requests\r\nretry-after: 1",
        "200 OK",
        "404 Not Found",
    ])
    .await?;

    let retry = Retry::new(contexter_retry::Config::new().base_delay(Duration::from_millis(50)))?
        .classify_by(ByStatus::new(status));
    let breaker =
        Breaker::new(contexter_breaker::Config::new())?.classify_by(ByStatus::new(status));
    let attempt_timeout = Timeout::new(Duration::from_secs(2))?;
    let guarded = (retry, breaker, attempt_timeout);

    let client = reqwest::Client::new();
    for _ in 0..2 {
        let started = Instant::now();
        let answer = guarded
            .run(Cx::new(), |cx: Cx| {
                let request = client.get(&url);
                async move {
                    let answer = request.send().await?;
                    println!("attempt {}: {}", cx.attempt(), answer.status());
                    Ok::<_, Error>(answer)
                }
            })
            .await?;
        // What another attempt would not change comes back as it is.
        println!("-> {} after {:.1?}\n", answer.status(), started.elapsed());
        debug_assert!(matches!(
            answer.status(),
            StatusCode::OK | StatusCode::NOT_FOUND
        ));
    }
    Ok(())
}

/// Answers one request after the other with these status lines, and returns its address.
async fn serve(answers: &'static [&'static str]) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 4096];
            let _read = stream.read(&mut request).await?;
            let reply =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(reply.as_bytes()).await?;
        }
        Ok::<_, std::io::Error>(())
    });
    Ok(format!("http://{address}/"))
}
