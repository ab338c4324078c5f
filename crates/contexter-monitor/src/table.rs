//! The report for people.

use std::fmt;

use crate::report::HealthReport;

/// Writes the report as text for a terminal, without colours.
impl fmt::Display for HealthReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "overall: {}", self.overall_status)?;
        self.services(f)?;
        self.discovery(f)?;
        self.event_bus(f)?;
        for alert in &self.alerts {
            write!(f, "\nalert: {} is {}", Shown(&alert.service), alert.status)?;
            if let Some(message) = &alert.message {
                write!(f, ": {}", Shown(message))?;
            }
        }
        Ok(())
    }
}

impl HealthReport {
    fn services(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.services.is_empty() {
            return Ok(());
        }
        let head = ["SERVICE", "STATUS", "RESPONSE", "LAST CHECK", "BREAKER"];
        let mut rows = vec![head.map(str::to_owned)];
        for (name, service) in &self.services {
            let breaker = self.integrations.circuit_breakers.get(name);
            rows.push([
                Shown(name).to_string(),
                service.status.to_string(),
                milliseconds(service.response_time_ms),
                format!("{:.0}", service.last_check),
                breaker.map_or_else(
                    || "none".to_owned(),
                    |breaker| match breaker.failure_count {
                        0 => breaker.state.clone(),
                        1 => format!("{}, 1 failure", breaker.state),
                        count => format!("{}, {count} failures", breaker.state),
                    },
                ),
            ]);
        }
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        writeln!(f)?;
        let [names, statuses, responses, checks, _] = widths;
        for [name, status, response, check, breaker] in &rows {
            write!(f, "{name:names$}  {status:statuses$}  ")?;
            writeln!(f, "{response:>responses$}  {check:checks$}  {breaker}")?;
        }
        writeln!(f)
    }

    fn discovery(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let discovery = &self.integrations.service_discovery;
        write!(
            f,
            "services: {} of {} healthy",
            discovery.healthy_service_count, discovery.total_service_count,
        )
    }

    fn event_bus(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bus) = &self.integrations.event_bus else {
            return Ok(());
        };
        write!(
            f,
            "\nevent bus: {} subscribers, {} events stored",
            bus.subscribers_count, bus.event_store_size,
        )?;
        match bus.last_event {
            Some(at) => write!(f, ", the last at {at:.0}"),
            None => Ok(()),
        }
    }
}

fn milliseconds(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1} ms")
    } else {
        format!("{value:.0} ms")
    }
}

/// Text from elsewhere, on one line and without control over the terminal.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if c.is_control() {
                write!(f, "{}", c.escape_default())
            } else {
                write!(f, "{c}")
            }
        })
    }
}
