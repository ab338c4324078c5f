//! The built-in website, which stands for all of the internet.
//!
//! It answers under `example.com`, `example.org`, `example.net`, names below these, and names that end in
//! `.example`. Other names do not resolve.
//!
//! | path | what happens |
//! |---|---|
//! | `/`, `/guide/install`, `/guide/copy`, `/guide/limits`, `/guide/errors` | pages |
//! | `/blocked` | the target recognises the visit: an empty answer with `reject_block` |
//! | `/silent` | an empty answer without any code |
//! | `/slow` | a page that takes a while |
//! | `/moved`, `/loop`, `/to-private` | redirects: to a page, to itself, to a metadata address |
//! | `/status/404` and so on | the target's own error page |
//! | `/code/premium` and so on | a failure at the vendor with that code |
//! | `/latin1`, `/picture` | a page in ISO-8859-1, a picture |
//!
//! The host `policy.example.com` is refused by policy. `geo.brdtest.com` has the vendor's pages for
//! tests.

use std::time::Duration;

use bytes::Bytes;
use url::{Host, Url};

use super::pages::PAGES;
use super::refusal::Refusal;

/// The ends that names of the website have.
pub(super) const ENDINGS: [&str; 4] = ["com", "org", "net", "example"];

/// What the website, or the vendor on the way to it, answers.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Page(Answer),
    Refused(Refusal),
}

/// An answer of the website.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
    /// What the vendor makes of it as Markdown.
    pub(super) markdown: Option<String>,
    /// Whether it takes a while.
    pub(super) slow: bool,
}

const HTML: &str = "text/html; charset=utf-8";

/// One white pixel.
pub(super) const PIXEL: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b,
    0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8, 0x0f, 0x00, 0x01,
    0x01, 0x01, 0x00, 0x1b, 0xb6, 0xee, 0x56, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];

impl Answer {
    fn html(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: HTML,
            location: None,
            body: body.into(),
            markdown: None,
            slow: false,
        }
    }

    fn to(location: &str) -> Self {
        Self {
            location: Some(location.to_owned()),
            ..Self::html(302, Bytes::new())
        }
    }

    /// Returns the text of a page, without its markup.
    pub(super) fn text(&self) -> String {
        match &self.markdown {
            Some(markdown) => markdown.clone(),
            None => String::from_utf8_lossy(&self.body).into_owned(),
        }
    }
}

/// Waits as the page wants it.
pub(super) async fn linger(outcome: &Outcome, slow: Duration) {
    if let Outcome::Page(Answer { slow: true, .. }) = outcome {
        tokio::time::sleep(slow).await;
    }
}

/// Returns whether a name is one of the website.
pub(super) fn has(name: &str) -> bool {
    Url::parse(&format!("https://{name}/"))
        .is_ok_and(|url| url.host_str() == Some(name) && matches!(visit(&url), Outcome::Page(_)))
}

/// Asks for a page.
pub(super) fn visit(url: &Url) -> Outcome {
    let name = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').to_ascii_lowercase(),
        Some(Host::Ipv4(ip)) if ip.is_private() || ip.is_loopback() || ip.is_link_local() => {
            return private();
        }
        Some(Host::Ipv6(_)) => return private(),
        _ => return unknown_host(),
    };
    if name == "localhost" || name.ends_with(".localhost") || name.ends_with(".internal") {
        return private();
    }
    if name == "geo.brdtest.com" {
        return neutral(url.path());
    }
    if name == "policy.example.com" {
        return Outcome::Refused(Refusal::proxy(
            403,
            "policy_20050",
            "target blocked by policy",
        ));
    }
    let known = ["example", "example.com", "example.org", "example.net"];
    let is_ours = known.iter().any(|known| {
        name.strip_suffix(known)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    if is_ours && !name.starts_with("nowhere.") {
        page(url.path())
    } else {
        unknown_host()
    }
}

fn private() -> Outcome {
    Outcome::Refused(Refusal {
        status: 403,
        speaker: super::refusal::Speaker::Proxy,
        code: None,
        text: "the address is forbidden",
    })
}

fn unknown_host() -> Outcome {
    Outcome::Refused(Refusal::unlocker(
        502,
        "proxy_error",
        "the host does not resolve",
    ))
}

fn neutral(path: &str) -> Outcome {
    let (content_type, body) = match path {
        "/welcome.txt" => ("text/plain; charset=utf-8", "Welcome to the sandbox.\n"),
        "/mygeo.json" => (
            "application/json",
            "{\"country\":\"DE\",\"asn\":{\"asnum\":64496}}",
        ),
        _ => return Outcome::Page(Answer::html(404, "<h1>not here</h1>")),
    };
    Outcome::Page(Answer {
        content_type,
        ..Answer::html(200, body)
    })
}

fn page(path: &str) -> Outcome {
    let trimmed = match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    if let Some(page) = PAGES.iter().find(|page| page.path == trimmed) {
        return Outcome::Page(Answer {
            markdown: Some(page.markdown()),
            ..Answer::html(200, page.html())
        });
    }
    if let Some(code) = trimmed.strip_prefix("/code/") {
        return Outcome::Refused(Refusal::of_code(code));
    }
    if let Some(status) = trimmed.strip_prefix("/status/")
        && let Ok(status @ 200..=599) = status.parse()
    {
        return Outcome::Page(Answer::html(status, format!("<h1>status {status}</h1>")));
    }
    Outcome::Page(match trimmed {
        "/blocked" => {
            return Outcome::Refused(Refusal::unlocker(
                502,
                "reject_block",
                "captcha or protection page found",
            ));
        }
        "/silent" => Answer::html(200, Bytes::new()),
        "/slow" => Answer {
            markdown: Some("# Slow\n\nIt took a while.\n".to_owned()),
            slow: true,
            ..Answer::html(
                200,
                "<html><body><h1>Slow</h1><p>It took a while.</p></body></html>",
            )
        },
        "/moved" => Answer::to("/guide/install"),
        "/loop" => Answer::to("/loop"),
        "/to-private" => Answer::to("http://169.254.169.254/latest/meta-data/"),
        "/latin1" => Answer {
            content_type: "text/html; charset=ISO-8859-1",
            markdown: Some("caf\u{e9}\n".to_owned()),
            ..Answer::html(200, Bytes::from_static(b"<p>caf\xe9</p>"))
        },
        "/picture" => Answer {
            content_type: "image/png",
            ..Answer::html(200, PIXEL)
        },
        _ => Answer::html(404, "<h1>not here</h1>"),
    })
}
