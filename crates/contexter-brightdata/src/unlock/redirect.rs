//! Where a page redirects to.

use std::future::Future;

use contexter_model::{Error, ErrorKind};
use contexter_service::Sample;

use super::Unlocked;
use crate::link::{Link, without_queries};
use crate::target::PublicUrl;

/// So many redirects are followed; one more is an error. Each is a request of its own.
pub const MAX_REDIRECTS: usize = 5;

/// Follows the redirects that come back, checking where they lead before anything is sent there.
///
/// `hop` is told whether all addresses so far are of the origin of the first: what was meant for that
/// (`Authorization`, `Cookie`, a body) is for nobody else (Fetch Standard, "HTTP-redirect fetch").
pub(crate) async fn follow<Fut>(
    first: PublicUrl,
    may_follow: bool,
    operation: &'static str,
    link: &Link,
    hop: impl Fn(PublicUrl, bool) -> Fut,
) -> Result<Unlocked, Error>
where
    Fut: Future<Output = Result<Unlocked, Error>>,
{
    let origin = first.url().origin();
    let mut at_home = true;
    let mut url = first;
    for _ in 0..=MAX_REDIRECTS {
        let reply = hop(url.clone(), at_home).await?;
        let location = match reply.status {
            301 | 302 | 303 | 307 | 308 if may_follow => reply.header("location"),
            _ => None,
        };
        let Some(location) = location else {
            return Ok(reply);
        };
        url = url.join(location.trim()).map_err(|error| {
            let is_echo = link.hide(location, None) != without_queries(location);
            let error = if is_echo {
                let about = link.hide(&url.to_string(), None);
                Error::new(
                    error.kind(),
                    format!("{about} redirects to what is not fetched"),
                )
            } else {
                error
            };
            error
                .with_service(crate::NAME)
                .with_operation(operation)
                .with_verdict(Sample::Success, false)
        })?;
        at_home &= url.url().origin() == origin;
    }
    Err(Error::new(
        ErrorKind::Protocol,
        format!(
            "{} is where more than {MAX_REDIRECTS} redirects led",
            link.hide(&url.to_string(), None)
        ),
    )
    .with_service(crate::NAME)
    .with_operation(operation)
    .with_verdict(Sample::Success, false))
}
