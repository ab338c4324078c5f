//! HTTP/2: how much is read ahead, when a connection counts as dead, and what its errors mean.

use std::time::Duration;

use h2::Reason;
use reqwest::ClientBuilder;

/// How much of a reply may have arrived that nobody has taken, in bytes: the window of a stream
/// (RFC 9113, section 5.2). It is the memory of a reply that is read piece by piece, and what a reply
/// brings in each round trip at most.
const STREAM_WINDOW: u32 = 1 << 20;

/// The same for all replies of a connection: so many may lie untaken before others wait for them.
const CONNECTION_WINDOW: u32 = 64 * STREAM_WINDOW;

/// How large the head of a reply may be, in bytes: near what HTTP/1.1 takes here.
const MAX_HEAD: u32 = 256 << 10;

/// The bounds of the silence after which a connection is asked whether it lives.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);
const LONGEST_SILENCE: Duration = Duration::from_hours(1);

/// How many times as long the answer may take: where much is being sent over a slow line, the question
/// waits behind it.
const PATIENCE: u32 = 4;

/// Lets a client agree on HTTP/2. All requests to a host share a connection then, so one that brings
/// nothing for so long while requests are under way is asked whether it lives (PING), and is given up if
/// there is no answer within [`PATIENCE`] times as long.
pub(crate) fn offer(builder: ClientBuilder, silence: Duration) -> ClientBuilder {
    let silence = silence.clamp(SHORTEST_SILENCE, LONGEST_SILENCE);
    builder
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(MAX_HEAD)
        .http2_keep_alive_interval(silence)
        .http2_keep_alive_timeout(silence * PATIENCE)
}

/// What an error of HTTP/2 says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The server has not begun to work on it, and would take it on another connection.
    Unprocessed,
    /// The server wants it on a connection of HTTP/1.1.
    WantsHttp1,
    /// What came in reply was no HTTP/2, or not within its limits.
    NoHttp,
    /// What came on the connection was no HTTP/2, whichever request it was for.
    NoHttpForAnybody,
    /// The connection or the reply broke off.
    BrokeOff,
}

/// Reads an error that came before the head of the reply (RFC 9113, sections 7 and 8.7).
pub(crate) fn meaning(error: &h2::Error) -> Meaning {
    match error.reason() {
        Some(Reason::REFUSED_STREAM) if error.is_remote() => Meaning::Unprocessed,
        // Requests that the server has taken before it says this come to their end.
        Some(Reason::NO_ERROR) if error.is_remote() && error.is_go_away() => Meaning::Unprocessed,
        Some(Reason::HTTP_1_1_REQUIRED) if error.is_remote() => Meaning::WantsHttp1,
        Some(_) if error.is_library() && error.is_go_away() => Meaning::NoHttpForAnybody,
        Some(_) if error.is_library() => Meaning::NoHttp,
        _ => Meaning::BrokeOff,
    }
}
