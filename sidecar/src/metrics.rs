//! The counters in the text format of Prometheus (exposition format 0.0.4). Pure.
//!
//! The set of labels is closed: nothing in it comes from a peer.

use std::fmt::Write;

use crate::service::{self, Service};
use crate::stats::{Histogram, Stats};

/// What a scraper is told the text is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The counters of each port of a range have the port as a label, once it had a connection, and those of
/// failures once there was one for that reason: there may be thousands of ports. What is the relay's own has no
/// such label, and neither has anything of a single port.
#[must_use]
pub fn render(services: &[Service]) -> String {
    let mut text = Text(String::with_capacity(4096));
    text.of_each(services, "connections_opened_total", "counter", "Connections accepted.", &|stats| {
        vec![("", "", stats.accepted.get())]
    });
    text.of_each(services, "connections_active", "gauge", "Connections open now.", &|stats| {
        vec![("", "", stats.active())]
    });
    text.of_each(
        services,
        "connections_failed_total",
        "counter",
        "Connections that did not end in good order, by reason.",
        &|stats| stats.failures().iter().map(|(reason, count)| ("reason", reason.word(), *count)).collect(),
    );
    text.of_each(
        services,
        "bytes_total",
        "counter",
        "Bytes relayed; up is from clients to the target.",
        &|stats| {
            vec![("direction", "up", stats.bytes_up.get()), ("direction", "down", stats.bytes_down.get())]
        },
    );
    let stats = service::total(services);
    text.family(
        "engine_switches_total",
        "counter",
        "Times a direction changed between copying and splicing.",
        &[("to", "splice", stats.to_splice.get()), ("to", "copy", stats.to_copy.get())],
    );
    let fallbacks = stats.fallbacks.get();
    text.family(
        "splice_fallbacks_total",
        "counter",
        "Times the kernel gave no pipe or splice.",
        &[("", "", fallbacks)],
    );
    let pauses = stats.accept_pauses.get();
    text.family("accept_pauses_total", "counter", "Times accepting had to rest.", &[("", "", pauses)]);
    text.histogram("dial_seconds", "Time to connect to the target.", &stats.dials);
    text.0
}

/// A label with its value, both empty where there is none, and the value of the sample.
type Sample = (&'static str, &'static str, u64);

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP assemble_proxy_{name} {help}"));
        self.line(format_args!("# TYPE assemble_proxy_{name} {kind}"));
    }

    fn family(&mut self, name: &str, kind: &str, help: &str, samples: &[Sample]) {
        self.head(name, kind, help);
        self.samples(name, "", samples);
    }

    fn of_each(
        &mut self,
        services: &[Service],
        name: &str,
        kind: &str,
        help: &str,
        samples: &dyn Fn(&Stats) -> Vec<Sample>,
    ) {
        if let [service] = services {
            return self.family(name, kind, help, &samples(&service.stats));
        }
        self.head(name, kind, help);
        for Service { port, stats, .. } in services.iter().filter(|service| service.is_known()) {
            let mut samples = samples(stats);
            samples.retain(|(label, _, value)| *label != "reason" || *value > 0);
            self.samples(name, &format!("port=\"{port}\""), &samples);
        }
    }

    fn samples(&mut self, name: &str, port: &str, samples: &[Sample]) {
        for (label, word, value) in samples {
            let own = if label.is_empty() { String::new() } else { format!("{label}=\"{word}\"") };
            let comma = if port.is_empty() || own.is_empty() { "" } else { "," };
            let labels = format!("{{{port}{comma}{own}}}");
            let labels = if labels == "{}" { "" } else { &labels };
            self.line(format_args!("assemble_proxy_{name}{labels} {value}"));
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let bounds = Histogram::BOUNDS.iter().map(|bound| bound.as_secs_f64().to_string());
        let mut count = 0;
        for (bound, within) in bounds.chain(["+Inf".to_owned()]).zip(histogram.cumulative()) {
            self.line(format_args!("assemble_proxy_{name}_bucket{{le=\"{bound}\"}} {within}"));
            count = within;
        }
        self.line(format_args!("assemble_proxy_{name}_sum {}", histogram.sum().as_secs_f64()));
        self.line(format_args!("assemble_proxy_{name}_count {count}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_sample_belongs_to_a_described_family() {
        let service = Service::new(1, 2);
        let stats = &service.stats;
        stats.accepted.add(3);
        stats.closed.add(1);
        stats.dials.record(Duration::from_millis(2));
        let text = render(&[service]);
        assert!(text.ends_with('\n'));
        assert!(text.contains("\nassemble_proxy_connections_active 2\n"));
        assert!(text.contains("\nassemble_proxy_dial_seconds_bucket{le=\"0.005\"} 1\n"));
        assert!(text.contains("\nassemble_proxy_dial_seconds_bucket{le=\"0.001\"} 0\n"));
        assert!(text.contains("\nassemble_proxy_dial_seconds_bucket{le=\"+Inf\"} 1\n"));
        described(&text);
    }

    #[test]
    fn a_range_has_samples_of_each_port_that_had_a_connection() {
        let services = [8000, 8001].map(|port| Service::new(port, port));
        services[1].stats.accepted.add(3);
        services[1].stats.refused.add(2);
        services[1].stats.fallbacks.add(1);
        let text = render(&services);
        assert!(text.contains("\nassemble_proxy_connections_active{port=\"8001\"} 3\n"), "{text}");
        let failed = "\nassemble_proxy_connections_failed_total{port=\"8001\",reason=\"refused\"} 2\n";
        assert!(text.contains(failed), "{text}");
        assert!(text.contains("\nassemble_proxy_splice_fallbacks_total 1\n"), "{text}");
        assert!(!text.contains("8000") && !text.contains("reason=\"idle\""), "{text}");
        described(&text);
    }

    fn described(text: &str) {
        for sample in text.lines().filter(|line| !line.starts_with('#')) {
            let name = sample.split(['{', ' ']).next().unwrap();
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(text.contains(&format!("# TYPE {family} ")), "{sample}");
        }
    }
}
