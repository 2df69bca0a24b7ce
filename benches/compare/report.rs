//! Words and tables: a line per measurement as it goes, the table at the end, and the report.

use std::fmt::Write as _;

use crate::bars::Spread;
use crate::columns::{Column, Unit};
use crate::conditions::Conditions;
use crate::measure::Sample;
use crate::peers::Peer;
use crate::summary::{Cell, beside, best, cell, ratio};

/// A line for whoever watches.
pub(crate) fn line(samples: &[Sample], sample: &Sample, peer: &Peer) -> String {
    let column = sample.column;
    let value = column.unit().show(sample.value);
    let ratio = ratio(samples, sample, peer).map_or_else(String::new, |ratio| format!("x{ratio:.2}"));
    let mut line =
        format!("{:>2}  {:<13} {:<13} {value:>8}  {ratio:<6}", sample.round + 1, column.name(), peer.name);
    if let (Some(cpu), Some((_, per))) = (sample.cpu, column.cpu_per()) {
        let _ = write!(line, "  cpu {cpu:.3} s/{per}");
    }
    for (name, words) in DETAILS {
        if let Some(value) = sample.detail(name).filter(|value| *value != 0.0) {
            let _ = write!(line, "  {words} {}", plain(value));
        }
    }
    if let Some(foreign) = sample.detail("foreign") {
        let _ = write!(line, "  (others used {:.2} cores)", foreign.max(0.0));
    }
    line
}

/// Details worth words, where a column has them.
const DETAILS: [(&str, &str); 9] = [
    ("p50_us", "median us"),
    ("p99_us", "p99 us"),
    ("first_tenth", "first tenth per s"),
    ("slow_down", "last/first tenth"),
    ("few_gbits", "with 64 streams Gbit/s"),
    ("to_few", "2,000/64 streams"),
    ("descriptors", "descriptors each"),
    ("connections", "connections"),
    ("errors", "failed"),
];

fn plain(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
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
    let value = column.unit().show(cell.spread.median);
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

/// The whole report, with a picture for each column that has one: `(column, file name)`.
pub(crate) fn markdown(
    conditions: &Conditions,
    samples: &[Sample],
    columns: &[Column],
    peers: &[Peer],
    pictures: &[(Column, String)],
) -> String {
    let mut text = format!("# Forwarders beside each other\n\n{conditions}\n## All in one table\n\n");
    text.push_str(LEGEND);
    text.push_str(&markdown_table(&transposed(samples, columns, peers)));
    let ways = both_ways(samples, columns, peers);
    if ways.len() > 1 {
        text.push_str(BOTH_WAYS);
        text.push_str(&markdown_table(&ways));
    }
    for &column in columns {
        let _ = write!(text, "\n## {}\n\n`{}`: {}.\n\n", column.title(), column.name(), column.method());
        if let Some((_, file)) = pictures.iter().find(|(of, _)| *of == column) {
            let _ = write!(text, "![{}]({file})\n\n", column.title());
        }
        text.push_str(&markdown_table(&details(samples, column, peers)));
    }
    text
}

const LEGEND: &str = "\
Medians of the rounds; xN is the median ratio to no forwarder in the same round. **Bold** is the \
best forwarder of a line, *italic* the best of the others where that is ours. pasta and \
ours-lo go another way, namespace to namespace without the link, and are compared with direct-lo, \
which has no link either; none of them takes part in that. ours-lo is our relay with its dialer in \
the server's namespace, `--to loopback`, and the figures of both processes are added up. ours-busy is \
our relay with `--busy-poll 50`.\n\n";

const BOTH_WAYS: &str = "
## Our way to the loopback beside our way to the gateway

The ratio of ours-lo to ours in the same round: 1 means alike. Both relay in the client's namespace; \
the former's sockets are connected by its dialer and cross no link, as with a container's host, whose \
loopback is not behind the bridge.\n\n";

/// Our two ways beside each other, a line per column that has both.
pub(crate) fn both_ways(samples: &[Sample], columns: &[Column], peers: &[Peer]) -> Vec<Vec<String>> {
    const NAMES: [&str; 2] = ["ours", "ours-lo"];
    let mut rows = vec![["", NAMES[0], NAMES[1], "ratio", "min–max"].map(str::to_owned).to_vec()];
    for &column in columns {
        let median = |name: &str| {
            let peer = peers.iter().find(|peer| peer.name == name)?;
            Some(column.unit().show(cell(samples, column, peer)?.spread.median))
        };
        if let (Some(ours), Some(other), Some(Spread { min: least, median: middle, max: most })) =
            (median(NAMES[0]), median(NAMES[1]), beside(samples, column, NAMES[1], NAMES[0]))
        {
            let ratio = format!("{middle:.2}");
            rows.push(vec![column.title().to_owned(), ours, other, ratio, format!("{least:.2}–{most:.2}")]);
        }
    }
    rows
}

/// A line per column: names of forwarders fit into headings better than those of columns.
fn transposed(samples: &[Sample], columns: &[Column], peers: &[Peer]) -> Vec<Vec<String>> {
    let heading = [String::new()].into_iter().chain(peers.iter().map(|peer| peer.name.to_owned())).collect();
    let rows = columns.iter().map(|&column| {
        let [first, rival] = best(samples, column, peers);
        let cells = peers.iter().map(|peer| match cell(samples, column, peer) {
            Some(cell) if first == Some(peer.name) => format!("**{}**", short(&cell, column)),
            Some(cell) if rival == Some(peer.name) => format!("*{}*", short(&cell, column)),
            Some(cell) => short(&cell, column),
            None => "–".to_owned(),
        });
        [column.title().to_owned()].into_iter().chain(cells).collect()
    });
    [heading].into_iter().chain(rows).collect()
}

/// Everything about one column, a line per forwarder.
fn details(samples: &[Sample], column: Column, peers: &[Peer]) -> Vec<Vec<String>> {
    let unit = column.unit();
    let cells: Vec<_> = peers.iter().filter_map(|peer| Some((peer, cell(samples, column, peer)?))).collect();
    let shown: Vec<_> = DETAILS
        .iter()
        .filter(|(name, _)| cells.iter().any(|(_, cell)| cell.detail(name).is_some_and(|value| value != 0.0)))
        .collect();
    let mut heading =
        vec!["", "median", "min–max", "ratio"].into_iter().map(str::to_owned).collect::<Vec<_>>();
    if let Some((_, per)) = column.cpu_per() {
        heading.push(format!("CPU s per {per}"));
    }
    heading.extend(shown.iter().map(|(_, words)| (*words).to_owned()));
    if unit.more_is_better() {
        heading.push("others' cores".to_owned());
    }
    let optional = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => "–".to_owned(),
    };
    let rows = cells.iter().map(|(peer, cell)| {
        let mut row = vec![
            peer.name.to_owned(),
            unit.show(cell.spread.median),
            format!("{}–{}", unit.show(cell.spread.min), unit.show(cell.spread.max)),
            optional(cell.ratio, 2),
        ];
        row.extend(column.cpu_per().map(|_| optional(cell.cpu, 3)));
        row.extend(shown.iter().map(|(name, _)| cell.detail(name).map_or_else(|| "–".to_owned(), plain)));
        if unit.more_is_better() {
            row.push(optional(cell.detail("foreign").map(|foreign| foreign.max(0.0)), 2));
        }
        row
    });
    [heading].into_iter().chain(rows).collect()
}

fn markdown_table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|---|{}", "---:|".repeat(row.len() - 1));
        }
    }
    text
}

/// One sample as a line of JSON.
pub(crate) fn json(sample: &Sample) -> String {
    let details: serde_json::Map<_, _> =
        sample.details.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    serde_json::json!({
        "round": sample.round + 1,
        "column": sample.column.name(),
        "forwarder": sample.peer,
        "value": sample.value,
        "cpu": sample.cpu,
        "details": details,
    })
    .to_string()
}
