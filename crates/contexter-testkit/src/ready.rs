//! Tells when a server is ready, by asking it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitStatus;
use std::time::Duration;

use crate::supervisor::Supervised;
use crate::wait;

/// How long one connection may take to answer before another is tried.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// The longest answer to a greeting that is read; Redis sends about 6 KiB.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What became of a server that was started.
#[derive(Debug)]
pub(crate) enum Outcome {
    Ready,
    Ended(ExitStatus),
    Late,
}

/// Waits until the server answers the greeting with all expected words.
pub(crate) fn wait(
    process: &mut Supervised,
    address: SocketAddr,
    greeting: &[u8],
    expected: &[String],
    limit: Duration,
) -> io::Result<Outcome> {
    let outcome = wait::until(limit, || {
        // An answer counts only from a server that still runs when it has come: one that lost the
        // race for its port ends by itself, and the winner may speak the same protocol.
        let answered = answers(address, greeting, expected).unwrap_or(false);
        io::Result::Ok(match process.ended()? {
            Some(status) => Some(Outcome::Ended(status)),
            None => answered.then_some(Outcome::Ready),
        })
    })?;
    Ok(outcome.unwrap_or(Outcome::Late))
}

fn answers(address: SocketAddr, greeting: &[u8], expected: &[String]) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(greeting)?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer);
        if expected.iter().all(|word| text.contains(word)) {
            return Ok(true);
        }
        match stream.read(&mut part)? {
            0 => return Ok(false),
            _ if answer.len() > LONGEST_ANSWER => return Ok(false),
            read => answer.extend(part.iter().take(read)),
        }
    }
}
