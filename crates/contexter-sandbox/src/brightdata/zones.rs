//! The zones of the account: those of the configuration, and those that a client makes, as the
//! vendor's own do where nobody names one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Office;
use super::config::BrightDataConfig;
use super::rest::{Params, Shared, json_reply, text};

/// So many zones are kept.
const MAX_ZONES: usize = 100;

/// What a zone is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unlocker,
    Search,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unlocker => "unblocker",
            Self::Search => "serp",
        }
    }
}

/// A zone: what it is for, and the password by which the proxy takes it.
#[derive(Clone)]
pub(super) struct Zone {
    pub(super) kind: Kind,
    pub(super) password: String,
}

impl Zone {
    /// The vendor makes passwords up; here they follow from the name.
    fn new(name: &str, kind: Kind) -> Self {
        Self {
            kind,
            password: format!("{name}-password"),
        }
    }
}

/// The zones that there are.
pub(super) struct Zones(Mutex<BTreeMap<String, Zone>>);

impl Zones {
    pub(super) fn new(config: &BrightDataConfig) -> Self {
        let unlocker = Zone {
            kind: Kind::Unlocker,
            password: config.zone_password.clone(),
        };
        let search = Zone::new(&config.serp_zone, Kind::Search);
        Self(Mutex::new(BTreeMap::from([
            (config.zone.clone(), unlocker),
            (config.serp_zone.clone(), search),
        ])))
    }

    /// Returns a zone; `None` if there is no such zone.
    pub(super) fn zone(&self, name: &str) -> Option<Zone> {
        self.0.lock().get(name).cloned()
    }

    /// Returns what the zone is for; `None` if there is no such zone.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        self.0.lock().get(name).map(|zone| zone.kind)
    }
}

pub(super) fn routes() -> Router<Arc<Office>> {
    Router::new()
        .route("/zone", get(show).post(make).delete(remove))
        .route("/zone/get_active_zones", get(active))
        .route("/zone/passwords", get(passwords))
}

pub(super) fn unknown(zone: &str) -> Response {
    text(400, &format!("zone \"{zone}\" not found"))
}

/// A zone to be made; its plan says whether it is one for searches.
#[derive(Debug, Deserialize)]
struct Wanted {
    zone: Named,
    #[serde(default)]
    plan: Plan,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
struct Plan {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    serp: bool,
}

async fn make(State(office): Shared, body: Bytes) -> Response {
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return text(400, &format!("invalid zone: {error}")),
    };
    let name = wanted.zone.name;
    if !is_name(&name) {
        return text(
            400,
            "zone name must be 3 to 63 lower-case letters, digits and underscores, none of these \
             at either end",
        );
    }
    let kinds = [wanted.zone.kind.as_str(), wanted.plan.kind.as_str()];
    let kind = if wanted.plan.serp || kinds.contains(&"serp") {
        Kind::Search
    } else if kinds.contains(&"unblocker") {
        Kind::Unlocker
    } else {
        return text(
            400,
            "zone type is not offered here, expected unblocker or serp",
        );
    };
    let mut zones = office.zones.0.lock();
    if zones.contains_key(&name) {
        return text(409, &format!("zone \"{name}\" already exists"));
    }
    if zones.len() >= MAX_ZONES {
        return text(400, "too many zones");
    }
    zones.insert(name.clone(), Zone::new(&name, kind));
    json_reply(
        200,
        &json!({
            "zone": { "name": name, "type": kind.as_str() },
            "plan": { "type": "unblocker", "serp": kind == Kind::Search },
        }),
    )
}

/// The rule of the vendor's clients.
fn is_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.starts_with('_')
        && !name.ends_with('_')
}

async fn remove(State(office): Shared, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(name) = asked.get("zone").and_then(Value::as_str) else {
        return text(400, "zone is required");
    };
    match office.zones.0.lock().remove(name) {
        Some(_) => text(200, "OK"),
        None => unknown(name),
    }
}

async fn active(State(office): Shared) -> Json<Value> {
    let zones = office.zones.0.lock();
    let zones = zones.iter().map(
        |(name, zone)| json!({ "name": name, "type": zone.kind.as_str(), "status": "active" }),
    );
    Json(zones.collect())
}

async fn show(State(office): Shared, Query(params): Params) -> Response {
    let name = params.get("zone").map_or("", String::as_str);
    match office.zones.kind(name) {
        Some(kind) => json_reply(
            200,
            &json!({ "name": name, "type": kind.as_str(), "status": "active" }),
        ),
        None => unknown(name),
    }
}

async fn passwords(State(office): Shared, Query(params): Params) -> Response {
    let name = params.get("zone").map_or("", String::as_str);
    match office.zones.zone(name) {
        Some(zone) => json_reply(200, &json!({ "passwords": [zone.password] })),
        None => unknown(name),
    }
}
