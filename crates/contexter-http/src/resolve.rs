//! Resolving names to addresses of the public internet only.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::is_public;

/// A name resolves to an address that is not of the public internet.
///
/// In the [`source`](std::error::Error::source) of the error of a client that is
/// [`public_only`](crate::Config::public_only).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPublic {
    host: String,
    address: IpAddr,
}

impl NotPublic {
    /// Returns the name that was asked for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the address that it resolved to.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl std::fmt::Display for NotPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, address } = self;
        write!(f, "{host} resolves to {address}, which is not public")
    }
}

impl std::error::Error for NotPublic {}

/// Asks somebody for the addresses of a name.
pub(crate) trait Lookup: Send + Sync + 'static {
    fn lookup(&self, host: &str) -> impl Future<Output = std::io::Result<Vec<SocketAddr>>> + Send;
}

/// Asks the operating system.
#[derive(Debug)]
pub(crate) struct System;

impl Lookup for System {
    async fn lookup(&self, host: &str) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.collect())
    }
}

/// Refuses names of which any address is not public.
///
/// The client connects to the very addresses that were looked at, so a name that changes its
/// answer between two lookups (DNS rebinding) gains nothing.
#[derive(Debug)]
pub(crate) struct PublicOnly<L>(Arc<L>);

impl<L: Lookup> PublicOnly<L> {
    pub(crate) fn new(lookup: L) -> Self {
        Self(Arc::new(lookup))
    }
}

impl<L: Lookup> Resolve for PublicOnly<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = lookup.lookup(name.as_str()).await?;
            // One inner address among public ones is refused as well: which of them is connected
            // to would be left to chance.
            match addresses.iter().find(|address| !is_public(address.ip())) {
                None => Ok(Box::new(addresses.into_iter()) as Addrs),
                Some(address) => Err(NotPublic {
                    host: name.as_str().to_owned(),
                    address: address.ip(),
                }
                .into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use contexter_model::ErrorKind;
    use contexter_service::Verdict;

    use super::*;
    use crate::{Api, Auth, Client, Config};

    struct Fixed(&'static [&'static str]);

    impl Lookup for Fixed {
        async fn lookup(&self, _host: &str) -> std::io::Result<Vec<SocketAddr>> {
            Ok(self
                .0
                .iter()
                .map(|address| SocketAddr::new(address.parse().unwrap(), 0))
                .collect())
        }
    }

    async fn resolve(addresses: &'static [&'static str]) -> Result<Vec<IpAddr>, NotPublic> {
        let name = "docs.example.org".parse().unwrap();
        match PublicOnly::new(Fixed(addresses)).resolve(name).await {
            Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
            Err(error) => Err(*error.downcast().unwrap()),
        }
    }

    #[tokio::test]
    async fn public_addresses_pass_in_their_order() {
        let addresses: &[&str] = &["8.8.8.8", "2606:4700:4700::1111"];
        let passed = resolve(addresses).await.unwrap();
        let shown: Vec<_> = passed.iter().map(ToString::to_string).collect();
        assert_eq!(shown, addresses);
    }

    #[tokio::test]
    async fn one_inner_address_refuses_the_name() {
        let refused = resolve(&["8.8.8.8", "::ffff:127.0.0.1"]).await.unwrap_err();
        assert_eq!(refused.host(), "docs.example.org");
        assert_eq!(refused.address().to_string(), "::ffff:127.0.0.1");
        assert_eq!(
            refused.to_string(),
            "docs.example.org resolves to ::ffff:127.0.0.1, which is not public"
        );
    }

    #[tokio::test]
    async fn a_name_that_turns_inside_is_never_asked() {
        let config = Config::default().public_only();
        let client = Client::with_lookup(&config, Fixed(&["169.254.169.254"])).unwrap();
        let api = Api::new(&client, "https://rebound.example.org", Auth::None).unwrap();
        let error = api
            .get("latest")
            .query("key", "hunter2")
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!error.sent());
        assert!(
            error
                .message()
                .contains("https://rebound.example.org/latest")
                && error.message().contains("169.254.169.254"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            if let Some(refused) = cause.downcast_ref::<NotPublic>() {
                assert_eq!(refused.host(), "rebound.example.org");
                return;
            }
            source = cause.source();
        }
        panic!("no cause says why: {error:?}");
    }
}
