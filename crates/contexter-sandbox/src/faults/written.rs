//! How a fault is written in a script: as its name, or as its name with settings.

use std::fmt;

use serde::de::{
    Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, Unexpected, Visitor,
};

use crate::faults::fault::{
    ContentTypeFault, CutFault, DripFault, Fault, FaultKind, OversizeFault, RateLimitFault,
};

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Fault;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault such as hang or { delay: 200ms }")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Fault, E> {
        let kind = FaultKind::deserialize(name.into_deserializer())?;
        let wants = |settings| Err(E::invalid_type(Unexpected::Str(name), &settings));
        match kind {
            FaultKind::Status => wants("settings, as in { status: { code: 503 } }"),
            FaultKind::GrpcStatus => wants("settings, as in { grpc_status: { code: 14 } }"),
            FaultKind::Delay => wants("a time, as in { delay: 200ms }"),
            FaultKind::RateLimit => Ok(Fault::RateLimit(RateLimitFault::default())),
            FaultKind::Hang => Ok(Fault::Hang),
            FaultKind::Disconnect => Ok(Fault::Disconnect),
            FaultKind::Reset => Ok(Fault::Reset(CutFault::default())),
            FaultKind::Truncate => Ok(Fault::Truncate(CutFault::default())),
            FaultKind::CutShort => Ok(Fault::CutShort(CutFault::default())),
            FaultKind::ContentType => Ok(Fault::ContentType(ContentTypeFault::default())),
            FaultKind::Oversize => Ok(Fault::Oversize(OversizeFault::default())),
            FaultKind::Drip => Ok(Fault::Drip(DripFault::default())),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fault, A::Error> {
        let Some(kind) = map.next_key::<FaultKind>()? else {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        };
        let fault = match kind {
            FaultKind::Status => Fault::Status(map.next_value()?),
            FaultKind::RateLimit => Fault::RateLimit(map.next_value()?),
            FaultKind::GrpcStatus => Fault::GrpcStatus(map.next_value()?),
            FaultKind::Delay => Fault::Delay(map.next_value::<Wait>()?.0),
            FaultKind::Hang => map.next_value().map(|()| Fault::Hang)?,
            FaultKind::Disconnect => map.next_value().map(|()| Fault::Disconnect)?,
            FaultKind::Reset => Fault::Reset(map.next_value()?),
            FaultKind::Truncate => Fault::Truncate(map.next_value()?),
            FaultKind::CutShort => Fault::CutShort(map.next_value()?),
            FaultKind::ContentType => Fault::ContentType(map.next_value()?),
            FaultKind::Oversize => Fault::Oversize(map.next_value()?),
            FaultKind::Drip => Fault::Drip(map.next_value()?),
        };
        match map.next_key::<FaultKind>()? {
            None => Ok(fault),
            Some(_) => Err(A::Error::custom(
                "two faults, but a rule has one; write a rule for each",
            )),
        }
    }
}

/// A time such as `200ms`.
#[derive(serde::Deserialize)]
struct Wait(#[serde(with = "contexter_service::duration")] std::time::Duration);
