//! Words and tables: a line per measurement as it goes, the table at the end, and the report.

use std::fmt::Write as _;

use crate::columns::{Column, Unit};
use crate::measure::Sample;
use crate::peers::Peer;
use crate::summary::{Cell, cell, ratio};

/// A line for whoever watches.
pub(crate) fn line(samples: &[Sample], sample: &Sample, peer: &Peer) -> String {
    let column = sample.column;
    let mut line = format!(
        "{:>2}  {:<13} {:<13} {:>8}",
        sample.round + 1,
        column.name(),
        peer.name,
        column.unit().show(sample.value)
    );
    let _ = match ratio(samples, sample, peer) {
        Some(ratio) => write!(line, "  x{ratio:<5.2}"),
        None => write!(line, "        "),
    };
    if let (Some(cpu), Some((_, per))) = (sample.cpu, column.cpu_per()) {
        let _ = write!(line, "  cpu {cpu:.3} s/{per}");
    }
    for (name, words) in [
        ("p50_us", "median us"),
        ("p99_us", "p99 us"),
        ("first_tenth", "at first"),
        ("few_gbits", "with 64"),
        ("descriptors", "descriptors"),
        ("errors", "failed"),
    ] {
        match sample.detail(name) {
            Some(value) if value != 0.0 => {
                let _ = write!(line, "  {words} {value:.1}");
            }
            _ => {}
        }
    }
    if let Some(foreign) = sample.detail("foreign") {
        let _ = write!(line, "  (others used {:.2} cores)", foreign.max(0.0));
    }
    line
}

/// One line per forwarder, one column per column.
pub(crate) fn overview(samples: &[Sample], columns: &[Column], peers: &[Peer]) -> Vec<Vec<String>> {
    let heading = [String::new()].into_iter().chain(columns.iter().map(|column| column.name())).collect();
    let rows = peers.iter().map(|peer| {
        let cells = columns.iter().map(|&column| match cell(samples, column, peer) {
            Some(cell) => short(&cell, column),
            None => "-".to_owned(),
        });
        [peer.name.to_owned()].into_iter().chain(cells).collect()
    });
    [heading].into_iter().chain(rows).collect()
}

fn short(cell: &Cell, column: Column) -> String {
    let value = column.unit().show(cell.median);
    match (cell.ratio, column.unit()) {
        (_, Unit::BytesEach) | (None, _) => value,
        (Some(ratio), _) => format!("{value} x{ratio:.2}"),
    }
}

/// Rows with their columns aligned.
pub(crate) fn text(rows: &[Vec<String>]) -> String {
    let width = |index: usize| rows.iter().map(|row| row[index].len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        for (index, field) in row.iter().enumerate() {
            let _ = if index == 0 {
                write!(text, "{field:<0$}", width(0))
            } else {
                write!(text, "  {field:>0$}", width(index))
            };
        }
        text.push('\n');
    }
    text
}
