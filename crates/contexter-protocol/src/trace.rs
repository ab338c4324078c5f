//! The W3C trace context: which trace an event belongs to, and which span made it.

use std::fmt;
use std::str::FromStr;

use crate::error::InvalidAttribute;
use crate::event::IntegrationEvent;

/// The flag that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// How long a `traceparent` of version 00 is; later versions may add to it.
const LENGTH: usize = 55;

/// A W3C trace context, level 1, as `traceparent` and `tracestate` carry it.
///
/// See <https://www.w3.org/TR/trace-context-1/>.
///
/// # Examples
///
/// ```
/// use contexter_protocol::TraceContext;
///
/// let context: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert_eq!(context.span_id(), 0x00f0_67aa_0ba9_02b7);
/// assert!(context.is_sampled());
/// # Ok::<(), contexter_protocol::InvalidAttribute>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
    state: Option<String>,
}

impl TraceContext {
    /// Names a span of a trace; none if one of the ids is zero, which names nothing.
    #[must_use]
    pub fn new(trace_id: u128, span_id: u64, sampled: bool) -> Option<Self> {
        (trace_id != 0 && span_id != 0).then_some(Self {
            trace_id,
            span_id,
            flags: if sampled { SAMPLED } else { 0 },
            state: None,
        })
    }

    /// Sets the vendor part.
    #[must_use]
    pub fn with_state(mut self, state: Option<String>) -> Self {
        self.state = state;
        self
    }

    /// Returns the trace.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// Returns the span.
    #[must_use]
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// Returns whether the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns the vendor part, `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Writes the `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
            ..
        } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

impl FromStr for TraceContext {
    type Err = InvalidAttribute;

    /// Reads a `traceparent` of version 00, or what a later version has in common with it.
    fn from_str(text: &str) -> Result<Self, InvalidAttribute> {
        let allowed = "a w3c traceparent";
        read(text).ok_or_else(|| InvalidAttribute::new("traceparent", text, allowed))
    }
}

fn read(text: &str) -> Option<TraceContext> {
    let (common, more) = text.split_at_checked(LENGTH)?;
    let mut parts = common.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace_id = hex(parts.next()?, 32)?;
    let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
    let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
    let known = version == 0 && more.is_empty();
    let later = (1..0xff).contains(&version) && (more.is_empty() || more.starts_with('-'));
    if parts.next().is_some() || !(known || later) {
        return None;
    }
    let context = TraceContext::new(trace_id, span_id, false)?;
    // Of a version that is not known here, only this flag is.
    let flags = if known { flags } else { flags & SAMPLED };
    Some(TraceContext { flags, ..context })
}

fn hex(digits: &str, many: usize) -> Option<u128> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != many || !digits.bytes().all(lower) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

impl IntegrationEvent {
    /// Returns the trace context that the event carries; none if there is none, or it is no valid one.
    #[must_use]
    pub fn trace_context(&self) -> Option<TraceContext> {
        let context: TraceContext = self.trace_parent()?.parse().ok()?;
        Some(context.with_state(self.trace_state().map(str::to_owned)))
    }

    /// Returns the same event with another trace context.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidAttribute`] if the vendor part is empty or has control characters.
    pub fn with_trace_context(mut self, context: &TraceContext) -> Result<Self, InvalidAttribute> {
        if let Some(state) = context.state() {
            crate::attribute::check_text("tracestate", state)?;
        }
        self.trace_parent = Some(context.to_string());
        self.trace_state = context.state().map(str::to_owned);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000001-0000000000000001-00",
            "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff",
        ] {
            let context: TraceContext = text.parse().unwrap();
            assert_eq!(context.to_string(), text);
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let text = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-07-what-the-future-holds";
        let context: TraceContext = text.parse().unwrap();
        let known = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(context.to_string(), known);
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902ü-01",
        ] {
            assert!(text.parse::<TraceContext>().is_err(), "{text:?}");
        }
        assert_eq!(TraceContext::new(0, 1, true), None);
        assert_eq!(TraceContext::new(1, 0, true), None);
    }
}
