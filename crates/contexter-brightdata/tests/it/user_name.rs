//! The grammar of the proxy's user name.

use std::net::Ipv4Addr;

use contexter_brightdata::{Dns, ProxyUser, RouteErr, ZoneKind};
use proptest::prelude::*;

fn user() -> ProxyUser {
    ProxyUser::new("hl_12345", "residential1")
}

#[test]
fn every_flag_is_written_as_documented() {
    for (user, flags) in [
        (user(), ""),
        (user().country("us"), "-country-us"),
        (
            user().country("us").state("ny").city("newyork"),
            "-country-us-state-ny-city-newyork",
        ),
        (user().zip("10001").asn(7922), "-zip-10001-asn-7922"),
        (
            user().os("windows").carrier("vodafone"),
            "-os-windows-carrier-vodafone",
        ),
        (user().session("a1B2"), "-session-a1B2"),
        (user().ip(Ipv4Addr::new(203, 0, 113, 7)), "-ip-203.0.113.7"),
        (user().gip("us_3_1234"), "-gip-us_3_1234"),
        (user().dns(Dns::Remote), "-dns-remote"),
        (user().dns(Dns::Local), "-dns-local"),
        (user().route_err(RouteErr::Block), "-route_err-block"),
        (user().route_err(RouteErr::PassDyn), "-route_err-pass_dyn"),
        (user().session("a").keep_peer(), "-session-a-const"),
        (user().direct(), "-direct"),
        (user().mobile_ua(), "-ua-mobile"),
        (user().c_tag("job_7"), "-c_tag-job_7"),
        (user().debug(), "-debug-full"),
    ] {
        assert_eq!(
            user.name().unwrap(),
            format!("brd-customer-hl_12345-zone-residential1{flags}")
        );
    }
}

#[test]
fn what_the_vendor_would_read_differently_is_refused() {
    for (user, field) in [
        (ProxyUser::new("", "zone1"), "customer"),
        (ProxyUser::new("a-zone-b", "zone1"), "customer"),
        (ProxyUser::new("a", "z1"), "zone"),
        (ProxyUser::new("a", "Zone1"), "zone"),
        (ProxyUser::new("a", "zone-1"), "zone"),
        (ProxyUser::new("a", "_zone1"), "zone"),
        (ProxyUser::new("a", "zone1_"), "zone"),
        (ProxyUser::new("a", "z".repeat(64)), "zone"),
        (user().country("US"), "country"),
        (user().country("usa"), "country"),
        (user().country("u-"), "country"),
        (user().session("a-b"), "session"),
        (user().session("a_b"), "session"),
        (user().session(""), "session"),
        (user().session("a:b"), "session"),
        (user().session("\u{e9}"), "session"),
        (user().city("new york"), "city"),
        (user().c_tag("a-b"), "c_tag"),
        (user().ip(Ipv4Addr::new(1, 1, 1, 1)).gip("x"), "gip"),
        (user().keep_peer().direct(), "direct"),
        (user().kind(ZoneKind::Datacenter).city("berlin"), "city"),
        (user().kind(ZoneKind::Isp).asn(1), "asn"),
    ] {
        let faults = user.name().unwrap_err();
        let fields: Vec<&str> = faults
            .faults()
            .iter()
            .map(|fault| fault.field.as_str())
            .collect();
        assert_eq!(fields, [field], "{user:?}");
    }
    let kept = user().kind(ZoneKind::Datacenter).country("de").session("a");
    assert!(kept.name().is_ok());
    let mobile = user().kind(ZoneKind::Mobile).carrier("vodafone");
    assert!(mobile.name().is_ok());
}

#[test]
fn a_name_that_is_none_is_refused_without_being_repeated() {
    for name in [
        "",
        "brd-customer",
        "lum-customer-a-zone-zone1",
        "brd-customer-a-zone1",
        "brd-customer-a-zone-zone1-",
        "brd-customer-a-zone-zone1-country",
        "brd-customer-a-zone-zone1-country-us-country-de",
        "brd-customer-a-zone-zone1-country-USA",
        "brd-customer-a-zone-zone1-unknown-x",
        "brd-customer-a-zone-zone1-asn-x",
        "brd-customer-a-zone-zone1-asn-007",
        "brd-customer-a-zone-zone1-ip-1.2.3",
        "brd-customer-a-zone-zone1-dns-here",
        "brd-customer-a-zone-zone1-ua-desktop",
        "brd-customer-a-zone-zone1-const-direct",
    ] {
        let error = name.parse::<ProxyUser>().unwrap_err().to_string();
        assert!(error.starts_with("the proxy's user name "), "{error}");
        assert!(!error.contains("zone1"), "{error}");
    }
    assert!("x".repeat(100_000).parse::<ProxyUser>().is_err());
}

#[test]
fn the_customer_is_not_shown() {
    assert!(!format!("{:?}", user()).contains("hl_12345"));
}

fn word() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[A-Za-z0-9]{1,20}")
}

fn users() -> impl Strategy<Value = ProxyUser> {
    let places = (word(), word(), word(), word(), word(), any::<Option<u32>>());
    let rest = (
        word(),
        any::<Option<u32>>(),
        proptest::option::of("[a-z0-9_]{1,20}"),
        any::<(Option<bool>, Option<bool>, bool, bool, bool)>(),
        any::<bool>(),
    );
    let names = ("[A-Za-z0-9_]{1,20}", "[a-z0-9][a-z0-9_]{1,30}[a-z0-9]");
    let country = proptest::option::of("[a-z]{2}");
    (names, country, places, rest).prop_map(|((customer, zone), country, places, rest)| {
        let mut user = ProxyUser::new(customer, zone);
        user.country = country;
        (
            user.state,
            user.city,
            user.zip,
            user.os,
            user.carrier,
            user.asn,
        ) = places;
        let (session, ip, tag, (dns, route_err, keep, ua, debug), direct) = rest;
        user.session = session;
        user.ip = ip.map(Ipv4Addr::from);
        user.c_tag = tag;
        user.dns = dns.map(|local| if local { Dns::Local } else { Dns::Remote });
        user.route_err = route_err.map(|block| {
            if block {
                RouteErr::Block
            } else {
                RouteErr::PassDyn
            }
        });
        user.keep_peer = keep;
        user.direct = direct && !keep;
        user.mobile_ua = ua;
        user.debug = debug;
        user
    })
}

proptest! {
    #[test]
    fn a_name_is_read_back_into_its_parts(user in users()) {
        let name = user.name().unwrap();
        prop_assert_eq!(name.parse::<ProxyUser>().unwrap(), user);
    }

    #[test]
    fn a_part_can_never_smuggle_in_a_flag(session in ".{0,30}", city in ".{0,30}", tag in ".{0,30}") {
        let user = user().session(session).city(city).c_tag(tag);
        if let Ok(name) = user.name() {
            prop_assert_eq!(name.parse::<ProxyUser>().unwrap(), user);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        }
    }

    #[test]
    fn what_is_read_is_what_would_be_written(name in "(brd-customer-)?[a-z0-9_-]{0,60}") {
        if let Ok(user) = name.parse::<ProxyUser>() {
            let written = user.name().unwrap();
            prop_assert_eq!(written.parse::<ProxyUser>().unwrap(), user);
            prop_assert_eq!(written.len(), name.len());
        }
    }
}
