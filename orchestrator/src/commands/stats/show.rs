//! A sample on the screen, in a log, or as JSON.

use std::time::SystemTime;

use anyhow::Result;
use docker_plugin::output::{Console, Form, FormatError, ListTemplate, Table, size, timestamp};
use serde_json::{Value, json};

use super::Stats;
use super::rates::{Line, sparkline};
use crate::commands::info::ports;

/// Shows one round. `first` is the first of several.
pub(super) fn tick(
    console: &Console,
    lines: &[Line],
    stats: &Stats,
    screen: bool,
    first: bool,
) -> Result<()> {
    if let Form::Object(form) = &stats.form {
        return crate::commands::print(console, &object(lines, SystemTime::now()), form);
    }
    let table = match &stats.table {
        Some(template) => own_table(lines, template, stats.verbose)?,
        None => table(lines, screen, stats.verbose),
    };
    if stats.watch && screen {
        // Clear the screen once, then go home and write over what is there, line by line, or it
        // would flicker (ECMA-48: CUP, ED, EL).
        let mut frame = String::from(if first { "\x1b[2J\x1b[H" } else { "\x1b[H" });
        for line in &table {
            frame.push_str(line);
            frame.push_str("\x1b[K\n");
        }
        frame.push_str("\x1b[J");
        return Ok(console.raw(frame.as_bytes())?);
    }
    if !first {
        console.line("")?;
    }
    table.iter().try_for_each(|line| console.line(line))?;
    Ok(())
}

const HEAD: [&str; 9] = ["PORT", "TARGET", "OPEN", "IN ALL", "FAILED", "UP/S", "DOWN/S", "UP", "DOWN"];

fn table(lines: &[Line], sparks: bool, verbose: bool) -> Vec<String> {
    if lines.is_empty() {
        return vec!["no port of the host is forwarded".to_owned()];
    }
    let mut rows = vec![(HEAD.map(str::to_owned), None)];
    for (whole, parts) in forwards(lines) {
        rows.push((row(whole), Some(whole)));
        if verbose && !whole.last.ports.is_one() && whole.last.known.is_ok() {
            rows.extend(parts.iter().map(|part| (row(part), Some(part))));
            rows.extend(rest(whole.last.ports.count().saturating_sub(parts.len())).map(|row| (row, None)));
        }
    }
    let table = Table::fitting(&rows.iter().map(|(row, _)| row.clone()).collect::<Vec<_>>());
    let mut shown: Vec<String> = rows.iter().map(|(row, _)| table.row(row)).collect();
    if sparks {
        let width = shown.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let lines = shown.iter_mut().zip(rows.iter().map(|(_, line)| *line));
        for (text, line) in lines.filter_map(|(text, line)| Some((text, line?))) {
            if line.history.len() > 1 {
                let gap = width - text.chars().count() + 3;
                text.extend(std::iter::repeat_n(' ', gap));
                text.push_str(&sparkline(&line.history));
            }
        }
    }
    shown
}

/// Each forward, and what is known of its ports where it is a range.
fn forwards(lines: &[Line]) -> impl Iterator<Item = (&Line, &[Line])> {
    lines.chunk_by(|_, next| next.last.part).filter_map(|lines| lines.split_first())
}

/// The row for the ports of a range that have had no connection.
fn rest(count: usize) -> Option<[String; HEAD.len()]> {
    (count > 0).then(|| untold("  others".to_owned(), &format!("{count} without a connection")))
}

fn untold(port: String, why: &str) -> [String; HEAD.len()] {
    let mut row = [""; HEAD.len()].map(|_| "-".to_owned());
    row[0] = port;
    row[1] = format!("({why})");
    row
}

fn row(line: &Line) -> [String; HEAD.len()] {
    let port = format!("{}{}", if line.last.part { "  " } else { "" }, line.last.ports);
    match &line.last.known {
        Ok(report) => {
            let rate = |of: fn(&super::rates::Rate) -> u64| {
                line.rate.as_ref().map_or_else(|| "-".to_owned(), |rate| size(of(rate)))
            };
            [
                port,
                report.target.clone(),
                report.active.to_string(),
                report.opened.to_string(),
                report.failures().to_string(),
                rate(|rate| rate.up),
                rate(|rate| rate.down),
                size(report.bytes_up),
                size(report.bytes_down),
            ]
        }
        Err(why) => untold(port, &why.to_string()),
    }
}

/// The fields of a forward in a table, with their captions.
const COLUMNS: [(&str, &str); 10] = [
    ("Port", "PORT"),
    ("Target", "TARGET"),
    ("Active", "OPEN"),
    ("Opened", "IN ALL"),
    ("Failed", "FAILED"),
    ("UpPerSecond", "UP/S"),
    ("DownPerSecond", "DOWN/S"),
    ("BytesUp", "UP"),
    ("BytesDown", "DOWN"),
    ("Error", "ERROR"),
];

/// A table of the user's own, whose fields are for people as those of the usual one are.
fn own_table(lines: &[Line], template: &ListTemplate, verbose: bool) -> Result<Vec<String>> {
    let shown = |line: &Line| -> Value {
        let error = line.last.known.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let cells = row(line).into_iter().chain([error]);
        COLUMNS.iter().map(|(field, _)| (*field).to_owned()).zip(cells.map(Value::from)).collect()
    };
    let lines = lines.iter().filter(|line| verbose || !line.last.part);
    let rows: Vec<_> = lines.map(|line| (shown(line), counters(line))).collect();
    let text = template.render(&COLUMNS, &rows).map_err(FormatError::Rows)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Sizes in bytes; what is not known is null.
fn counters(line: &Line) -> Value {
    let report = line.last.known.as_ref().ok();
    json!({
        "Port": ports(line.last.ports),
        "Target": report.map(|report| &report.target),
        "Active": report.map(|report| report.active),
        "Opened": report.map(|report| report.opened),
        "Failed": report.map(|report| &report.failed),
        "BytesUp": report.map(|report| report.bytes_up),
        "BytesDown": report.map(|report| report.bytes_down),
        "UpPerSecond": line.rate.map(|rate| rate.up),
        "DownPerSecond": line.rate.map(|rate| rate.down),
        "Error": line.last.known.as_ref().err().map(ToString::to_string),
    })
}

/// A whole sample.
fn object(lines: &[Line], now: SystemTime) -> Value {
    let forward = |(whole, parts): (&Line, &[Line])| {
        let mut object = counters(whole);
        if !whole.last.ports.is_one() {
            object["Ports"] = parts.iter().map(counters).collect();
        }
        object
    };
    json!({ "Time": timestamp(now), "Forwards": forwards(lines).map(forward).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::{Instant, UNIX_EPOCH};

    use assemble_contract::{Port, Status};

    use super::super::rates::{NoCounters, Rate, Sample};
    use super::*;

    fn lines() -> Vec<Line> {
        let report = Status {
            target: "gateway:5000".to_owned(),
            active: 1,
            opened: 12,
            failed: [("reset".to_owned(), 2)].into(),
            bytes_up: 3_400_000,
            bytes_down: 12_000,
            ..Status::default()
        };
        let sample = |port, known| {
            let ports = Port::new(port).unwrap().into();
            Sample { ports, part: false, at: Instant::now(), known }
        };
        vec![
            Line {
                last: sample(5000, Ok(report)),
                rate: Some(Rate { up: 1000, down: 0 }),
                history: VecDeque::from([0, 1000]),
            },
            Line {
                last: sample(6000, Err(NoCounters::Stopped { state: "paused".to_owned() })),
                rate: None,
                history: VecDeque::new(),
            },
        ]
    }

    #[test]
    fn a_table_has_a_row_for_each_forward_and_bars_on_a_screen_only() {
        let plain = table(&lines(), false, false);
        assert_eq!(
            plain,
            [
                "PORT      TARGET         OPEN      IN ALL    FAILED    UP/S      DOWN/S    UP        DOWN",
                "5000      gateway:5000   1         12        2         1kB       0B        3.4MB     12kB",
                "6000      (paused)       -         -         -         -         -         -         -",
            ]
        );
        let screen = table(&lines(), true, false);
        assert_eq!(screen[1], format!("{}   ▁█", plain[1]));
        assert_eq!((&screen[0], &screen[2]), (&plain[0], &plain[2]));
        assert_eq!(table(&[], true, true), ["no port of the host is forwarded"]);
    }

    #[test]
    fn a_table_of_ones_own_has_the_same_cells() {
        let own = |format: &str| own_table(&lines(), &ListTemplate::new(format).unwrap(), false).unwrap();
        assert_eq!(
            own("table {{.Port}}\\t{{.UpPerSecond}}\\t{{.BytesUp}}"),
            ["PORT      UP/S      UP", "5000      1kB       3.4MB", "6000      -         -"]
        );
        let last = own("table {{.Error}}|{{json .}}").pop().unwrap();
        assert!(last.starts_with(r#"paused|{"Active":null,"#), "{last}");
        let error = own_table(&lines(), &ListTemplate::new("table {{.Nope}}").unwrap(), true).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("failed to execute template: template: :1:2: "),
            "{error:#}"
        );
    }

    #[test]
    fn an_object_says_what_is_not_known() {
        let object = object(&lines(), UNIX_EPOCH);
        assert_eq!(object["Time"], "1970-01-01T00:00:00Z");
        let [good, bad] = [&object["Forwards"][0], &object["Forwards"][1]];
        assert_eq!((&good["UpPerSecond"], &good["BytesUp"]), (&json!(1000), &json!(3_400_000)));
        assert_eq!((&good["Failed"]["reset"], &good["Error"]), (&json!(2), &Value::Null));
        assert_eq!(
            (&bad["Error"], &bad["BytesUp"], &bad["Port"]),
            (&json!("paused"), &Value::Null, &json!(6000))
        );
    }
}
