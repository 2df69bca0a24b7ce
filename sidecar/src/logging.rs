//! The log: structured events on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::LogFormat;

/// Starts to log, at the level of `RUST_LOG` or else from `info` on.
///
/// `RUST_LOG` takes levels and `target=level` pairs. Filters on spans and fields, which this
/// program has no use for, would bring a regular expression engine into a small binary.
pub(crate) fn start(format: LogFormat) {
    let filter = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let log = fmt::layer().with_writer(stderr);
    let log = match format {
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    tracing_subscriber::registry().with(log.with_filter(filter)).init();
    // A fault is an event like any other, on one line: who reads the log of many can tell it apart.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{}", panic.to_string().split_whitespace().collect::<Vec<_>>().join(" "));
    }));
}
