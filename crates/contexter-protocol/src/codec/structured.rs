//! Structured mode: the whole event is in the body.

use crate::error::DecodeError;
use crate::event::IntegrationEvent;

/// What marks structured mode; the event format follows it.
const PREFIX: &str = "application/cloudevents";

/// Returns the event format that a media type names (`"+json"`), if it marks structured mode.
pub(super) fn format(content_type: &str) -> Option<&str> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let (prefix, format) = essence.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(format)
}

pub(super) fn decode(format: &str, body: &[u8]) -> Result<IntegrationEvent, DecodeError> {
    if !format.eq_ignore_ascii_case("+json") {
        let found = [PREFIX, format].concat().chars().take(80).collect();
        return Err(DecodeError::Format { found });
    }
    IntegrationEvent::from_json(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_mode_is_told_by_the_beginning_of_the_media_type() {
        for (content_type, expected) in [
            ("application/cloudevents+json", Some("+json")),
            ("Application/CloudEvents+JSON; charset=utf-8", Some("+JSON")),
            ("application/cloudevents", Some("")),
            ("application/cloudevents-batch+json", Some("-batch+json")),
            ("application/json", None),
            ("application/cloudevent", None),
            ("", None),
        ] {
            assert_eq!(format(content_type), expected, "{content_type}");
        }
    }
}
