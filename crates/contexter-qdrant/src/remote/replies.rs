//! Replies of a server, read without a connection to it.
//!
//! The adapter reads every reply with these functions' parts. They stand here for whoever has a reply by
//! other means: a recording, a proxy, a test of what a reply means.
//!
//! Messages are those of the vendor's protocol
//! (<https://github.com/qdrant/qdrant/tree/master/lib/api/src/grpc/proto>), without gRPC's prefix. A
//! message that cannot be decoded, or says what cannot be, is `Protocol`; nothing that they hold makes
//! these functions panic.

use contexter_config::Secrets;
use contexter_model::{CollectionSpec, Error, Hit, Point, Record};
use prost::Message;
use qdrant_client::qdrant::{
    GetCollectionInfoResponse, GetResponse, PointsOperationResponse, QueryBatchResponse,
    ScrollResponse, UpdateBatchResponse,
};
use tonic::Status;
use tonic::codegen::http::StatusCode;
use tonic::codegen::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::gateway::{NotGrpc, leave_out_details};
use super::write::{all_applied, is_applied};
use super::{fault, record, value};

/// Reads the rankings of a `QueryBatchResponse`; `nearer_is_lower` says that the scores are distances.
///
/// Points with numbers as ids, which these stores never write, are left out, here and below.
///
/// # Errors
///
/// `Protocol` if it is none, a point has no id, an id is no UUID, or a score is not finite.
pub fn rankings(message: &[u8], nearer_is_lower: bool) -> Result<Vec<Vec<Hit>>, Error> {
    let reply: QueryBatchResponse = decode(message)?;
    let rankings = reply.result.into_iter();
    rankings
        .map(|ranking| value::hits(ranking.result, nearer_is_lower))
        .collect()
}

/// Reads the points of a `GetResponse`.
///
/// # Errors
///
/// `Protocol` if it is none, a point has no id, or an id is no UUID.
pub fn records(message: &[u8]) -> Result<Vec<Record>, Error> {
    let reply: GetResponse = decode(message)?;
    value::records(reply.result)
}

/// Reads the points of a `ScrollResponse` with the vectors that it has, which are to be of so many
/// dimensions.
///
/// # Errors
///
/// `Protocol` if it is none, a point has no id, an id is no UUID, or a vector cannot be.
pub fn points(message: &[u8], dimensions: usize) -> Result<Vec<Point>, Error> {
    let reply: ScrollResponse = decode(message)?;
    value::points(reply.result, dimensions)
}

/// Reads from a `GetCollectionInfoResponse` what the collection `name` is made of.
///
/// # Errors
///
/// `Protocol` if it is none or describes no collection, `Invalid` if the collection was made by another
/// program, its metadata are damaged, or it is not what they say, `Unsupported` if a newer version of this
/// crate made it.
pub fn collection(name: &str, message: &[u8]) -> Result<CollectionSpec, Error> {
    let reply: GetCollectionInfoResponse = decode(message)?;
    let info = reply
        .result
        .ok_or_else(|| fault::protocol("the reply describes no collection"))?;
    let spec = record::read(name, &info)?;
    record::missing_indexes(&spec, &info)?;
    Ok(spec)
}

/// Reads from a `PointsOperationResponse` whether the change was applied; if not, it was accepted and
/// will be.
///
/// # Errors
///
/// `Protocol` if it is none or says nothing of the change, `Unavailable` if a replica refused it.
pub fn change(message: &[u8]) -> Result<bool, Error> {
    let reply: PointsOperationResponse = decode(message)?;
    is_applied(reply.result)
}

/// Reads from an `UpdateBatchResponse` whether all changes that it speaks of were applied.
///
/// # Errors
///
/// As [`change`]; `Protocol` too if it speaks of none.
pub fn changes(message: &[u8]) -> Result<bool, Error> {
    let reply: UpdateBatchResponse = decode(message)?;
    let asked = reply.result.len().max(1);
    all_applied(reply.result, asked)
}

/// Reads the head of a reply: the status of HTTP and the headers, those of gRPC among them. `None` if
/// it tells of no failure. `secret` shows in no message.
///
/// Headers that HTTP does not allow are left out.
///
/// # Examples
///
/// ```
/// use contexter_model::ErrorKind;
/// use contexter_qdrant::remote::replies;
///
/// let full = [("grpc-status", "8"), ("retry-after", "7"), ("grpc-message", "slow down")];
/// let error = replies::failure(200, full, None).ok_or("a failure")?;
/// assert_eq!(error.kind(), ErrorKind::RateLimited);
///
/// let gateway = replies::failure(401, [("content-type", "text/html")], None);
/// assert_eq!(gateway.ok_or("a failure")?.kind(), ErrorKind::Unauthorized);
/// # Ok::<(), &str>(())
/// ```
pub fn failure<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    secret: Option<&str>,
) -> Option<Error> {
    let mut headers: HeaderMap = headers
        .into_iter()
        .filter_map(|(name, value)| {
            let name: HeaderName = name.parse().ok()?;
            let value: HeaderValue = value.parse().ok()?;
            Some((name, value))
        })
        .collect();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(other) = NotGrpc::of(status, &headers) {
        return Some(fault::gateway(&other));
    }
    leave_out_details(&mut headers);
    let status = Status::from_header_map(&headers)?;
    if status.code() == tonic::Code::Ok {
        return None;
    }
    Some(fault::status(status, &Secrets::new(secret), "the server"))
}

fn decode<M: Message + Default>(message: &[u8]) -> Result<M, Error> {
    M::decode(message).map_err(|source| {
        fault::protocol("the reply is no message of the protocol").with_source(source)
    })
}
