//! The counters in the text format of Prometheus (exposition format 0.0.4). Pure.
//!
//! The set of labels is closed and small: nothing in it comes from a peer.

use std::fmt::Write;

use crate::service::{self, Service};
use crate::stats::Histogram;

/// What a scraper is told the text is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[must_use]
pub fn render(services: &[Service]) -> String {
    let stats = service::total(services);
    let mut text = Text(String::with_capacity(4096));
    text.family(
        "connections_opened_total",
        "counter",
        "Connections accepted.",
        &[("", stats.accepted.get())],
    );
    text.family("connections_active", "gauge", "Connections open now.", &[("", stats.active())]);
    let failures =
        stats.failures().map(|(reason, count)| (format!("{{reason=\"{}\"}}", reason.word()), count));
    text.family(
        "connections_failed_total",
        "counter",
        "Connections that did not end in good order, by reason.",
        &failures.each_ref().map(|(label, count)| (label.as_str(), *count)),
    );
    text.family(
        "bytes_total",
        "counter",
        "Bytes relayed; up is from clients to the target.",
        &[(r#"{direction="up"}"#, stats.bytes_up.get()), (r#"{direction="down"}"#, stats.bytes_down.get())],
    );
    text.family(
        "engine_switches_total",
        "counter",
        "Times a direction changed between copying and splicing.",
        &[(r#"{to="splice"}"#, stats.to_splice.get()), (r#"{to="copy"}"#, stats.to_copy.get())],
    );
    let fallbacks = stats.fallbacks.get();
    text.family(
        "splice_fallbacks_total",
        "counter",
        "Times the kernel gave no pipe or splice.",
        &[("", fallbacks)],
    );
    let pauses = stats.accept_pauses.get();
    text.family("accept_pauses_total", "counter", "Times accepting had to rest.", &[("", pauses)]);
    text.histogram("dial_seconds", "Time to connect to the target.", &stats.dials);
    text.0
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP assemble_proxy_{name} {help}"));
        self.line(format_args!("# TYPE assemble_proxy_{name} {kind}"));
    }

    fn family(&mut self, name: &str, kind: &str, help: &str, samples: &[(&str, u64)]) {
        self.head(name, kind, help);
        for (labels, value) in samples {
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
        for sample in text.lines().filter(|line| !line.starts_with('#')) {
            let name = sample.split(['{', ' ']).next().unwrap();
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(text.contains(&format!("# TYPE {family} ")), "{sample}");
        }
    }
}
