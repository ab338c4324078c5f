//! User names of Bright Data's proxy, and addresses that may be fetched.
//!
//! A user name that is read is written back with the same parts; an address that is accepted has a public
//! host, no credentials, and reads back as itself; an error is one line.

#![no_main]

use contexter_brightdata::{ProxyUser, PublicUrl};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<ProxyUser>() {
        Ok(user) => {
            let name = user.name().expect("what was read is allowed");
            assert_eq!(name.len(), text.len());
            assert!(!name.contains([':', '@', ' ']), "{name:?}");
            assert_eq!(name.parse::<ProxyUser>().expect("a name is read"), user);
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
    match text.parse::<PublicUrl>() {
        Ok(url) => {
            assert!(url.as_str().starts_with("http"));
            assert!(!url.host().is_empty() && !url.to_string().contains('?'));
            let again: PublicUrl = url.as_str().parse().expect("its normal form is accepted");
            assert_eq!(again, url);
            let host = url.host().trim_end_matches('.');
            assert!(host != "localhost" && !host.ends_with(".localhost"), "{host}");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
