//! Keeping answers: the key of each request, and for how long its answer is good.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use contexter_config::Secret;
use contexter_fallback::{CacheConfig, CacheService, Freshness, ResponseCache};
use contexter_model::{Error, ErrorKind};
use contexter_service::Verdict as _;
use contexter_service::{Again, Capability, DefaultClock, Handle, InvalidConfig, Sample, Service};

use crate::asked::Asked;
use crate::client::NAME;
use crate::size::Size;
use crate::{Content, Context, FoundLibraries, LegacyDocs};

/// For how long "there is none" is believed: documentation is added all the time.
const NONE_FOR: Duration = Duration::from_mins(1);

/// The key of an answer. Context7 advises: base URL, account, library with its version, query,
/// form and `fast`; the last four are fields of the request, of which only what the service
/// [sees](Asked::asked) counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key<Req> {
    base_url: Arc<str>,
    account: Account,
    request: Req,
}

/// Tells accounts apart without holding their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account(Option<u64>);

impl Account {
    /// The number is another one in each process, and nothing can be told from it.
    pub(crate) fn of(key: Option<&Secret>) -> Self {
        Self(key.map(|key| RandomState::new().hash_one(key.expose())))
    }
}

/// What an answer is to a cache.
pub(crate) trait Keepable: Size + Clone + Send + Sync + 'static {
    /// Whether it says that there is nothing.
    fn is_nothing(&self) -> bool;
}

impl Keepable for FoundLibraries {
    fn is_nothing(&self) -> bool {
        self.libraries.is_empty()
    }
}

impl Keepable for Context {
    fn is_nothing(&self) -> bool {
        self.content.is_empty()
    }
}

impl Keepable for Content {
    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Keepable for LegacyDocs {
    fn is_nothing(&self) -> bool {
        self.content.is_empty()
    }
}

/// Whose answers are kept.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) base_url: Arc<str>,
    pub(crate) account: Account,
}

/// Puts a cache around a service, or none where there are no settings for one.
pub(crate) fn around<Req, S>(
    service: S,
    settings: Option<CacheConfig>,
    owner: &Owner,
) -> Result<Handle<Req>, InvalidConfig>
where
    Req: Asked
        + Size
        + Capability<Response: Keepable, Error = Error>
        + std::hash::Hash
        + Eq
        + Clone
        + Sync,
    S: Service<Req, Response = Req::Response, Error = Error> + 'static,
{
    let Some(settings) = settings else {
        return Ok(Handle::new(service));
    };
    let values =
        Freshness::fresh_for(settings.fresh_for).stale_if_error_for(settings.stale_if_error_for);
    let cache: ResponseCache<Key<Req>, Req::Response, Error> = ResponseCache::new(settings)?;
    let cache = cache
        .freshness_by(move |out: &Result<Req::Response, Error>| freshness(out, values))
        .stale_when(may_stand_in)
        .weigh_by(weight::<Req>)
        .named(NAME);
    let (base_url, account) = (Arc::clone(&owner.base_url), owner.account);
    let key = move |request: &Req| Key {
        base_url: Arc::clone(&base_url),
        account,
        request: request.asked(),
    };
    let cached: CacheService<_, _, _, _, _, _, DefaultClock, _> =
        cache.service(Arc::new(service), key);
    Ok(Handle::new(cached))
}

/// What the cache itself holds of an entry, in bytes: roughly.
const ENTRY: usize = 256;

/// Weighs an entry, in KiB.
fn weight<Req>(key: &Key<Req>, value: &Req::Response) -> u32
where
    Req: Size + Capability<Response: Keepable>,
{
    let bytes = ENTRY
        .saturating_add(key.request.in_memory())
        .saturating_add(value.in_memory());
    u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX)
}

/// For how long an outcome is good, where `values` is what is set for documentation.
fn freshness<V: Keepable>(out: &Result<V, Error>, values: Freshness) -> Freshness {
    let briefly = Freshness::fresh_for(NONE_FOR.min(values.fresh_for));
    match out {
        Ok(value) if value.is_nothing() => briefly,
        Ok(_) => values,
        Err(error) if error.kind() == ErrorKind::NotFound => briefly,
        // Documentation that is being prepared above all: it may be there in a moment.
        Err(_) => Freshness::DO_NOT_STORE,
    }
}

/// Old documentation stands in for trouble, for documentation that is prepared anew, and also when
/// the allowance is used up.
fn may_stand_in(error: &Error) -> bool {
    error.sample() == Sample::Failure
        || error.again() != Again::No
        || !contexter_service::Verdict::sent(error)
        || error.kind() == ErrorKind::QuotaExhausted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Content {
        Content::Text(text.to_owned())
    }

    fn failed(kind: ErrorKind) -> Result<Content, Error> {
        Err(Error::new(kind, "x"))
    }

    #[test]
    fn what_says_nothing_is_kept_for_a_minute_and_what_failed_not_at_all() {
        let day = Duration::from_hours(24);
        let values = Freshness::fresh_for(day).stale_if_error_for(day);
        let minute = Freshness::fresh_for(Duration::from_mins(1));
        for (out, expected) in [
            (Ok(text("documentation")), values),
            (Ok(text(" \n")), minute),
            (failed(ErrorKind::NotFound), minute),
            (failed(ErrorKind::NotReady), Freshness::DO_NOT_STORE),
            (failed(ErrorKind::RateLimited), Freshness::DO_NOT_STORE),
            (failed(ErrorKind::QuotaExhausted), Freshness::DO_NOT_STORE),
            (failed(ErrorKind::Protocol), Freshness::DO_NOT_STORE),
        ] {
            assert_eq!(freshness(&out, values), expected, "{out:?}");
        }
        let second = Freshness::fresh_for(Duration::from_secs(1));
        assert_eq!(freshness(&Ok(text("")), second), second);
    }

    #[test]
    fn old_documentation_stands_in_for_trouble_and_not_for_answers() {
        for (kind, stands_in) in [
            (ErrorKind::Unavailable, true),
            (ErrorKind::Timeout, true),
            (ErrorKind::NotReady, true),
            (ErrorKind::RateLimited, true),
            (ErrorKind::QuotaExhausted, true),
            (ErrorKind::NotFound, false),
            (ErrorKind::Invalid, false),
            (ErrorKind::Unauthorized, false),
        ] {
            assert_eq!(may_stand_in(&Error::new(kind, "x")), stands_in, "{kind}");
        }
    }

    #[test]
    fn an_account_is_told_apart_and_its_key_is_nowhere() {
        let account = Account::of(Some(&Secret::from("ctx7sk-hidden")));
        assert_ne!(account, Account::of(None));
        assert!(!format!("{account:?}").contains("hidden"));
    }
}
