//! One record of the cache on paper.

use std::time::SystemTime;

use docker_plugin::output::{Table, age, size, timestamp};
use serde_json::{Value, json};

use crate::buildkit::Record;

/// The cells of a record's row, and those of the header.
pub(super) type Row = [String; 4];

/// The header of the table.
pub(super) fn header() -> Row {
    ["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"].map(str::to_owned)
}

/// A record's row: a star marks what may still change, and a size that is shared.
pub(super) fn row(record: &Record, now: SystemTime) -> Row {
    let star = |on: bool| if on { "*" } else { "" };
    [
        format!("{}{}", record.id, star(record.mutable)),
        (!record.in_use).to_string(),
        format!("{}{}", size(record.size_bytes), star(record.shared)),
        record.last_used_at.map(|time| ago(time, now)).unwrap_or_default(),
    ]
}

/// A table for rows that are not known yet: ids are 25 letters, most sizes up to 8.
pub(super) fn stream_table() -> Table {
    let widest = ["x".repeat(26), "RECLAIMABLE".to_owned(), "x".repeat(9), String::new()];
    Table::fitting([&widest])
}

/// A record as a paragraph, an empty line behind it.
pub(super) fn paragraph(record: &Record, now: SystemTime) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| text.push_str(&format!("{:<16}{value}\n", format!("{name}:")));
    field("ID", &record.id);
    if !record.parents.is_empty() {
        field("Parents", &record.parents.join(", "));
    }
    if let Some(created) = record.created_at {
        field("Created at", &timestamp(created));
    }
    field("Mutable", &record.mutable.to_string());
    field("Reclaimable", &(!record.in_use).to_string());
    field("Shared", &record.shared.to_string());
    field("Size", &size(record.size_bytes));
    if !record.description.is_empty() {
        field("Description", &record.description);
    }
    field("Usage count", &record.usage_count.to_string());
    if let Some(used) = record.last_used_at {
        field("Last used", &ago(used, now));
    }
    if !record.record_type.is_empty() {
        field("Type", &record.record_type);
    }
    text
}

/// A record as a JSON object, the size in bytes.
pub(super) fn object(record: &Record) -> Value {
    json!({
        "ID": record.id,
        "Parents": record.parents,
        "CreatedAt": record.created_at.map(timestamp),
        "Mutable": record.mutable,
        "Reclaimable": !record.in_use,
        "Shared": record.shared,
        "Size": record.size_bytes,
        "Description": record.description,
        "UsageCount": record.usage_count,
        "LastUsedAt": record.last_used_at.map(timestamp),
        "Type": record.record_type,
    })
}

/// The fields of a record in templates, with their captions in a table.
pub(super) const COLUMNS: [(&str, &str); 11] = [
    ("ID", "ID"),
    ("Parents", "PARENTS"),
    ("CreatedAt", "CREATED AT"),
    ("Mutable", "MUTABLE"),
    ("Reclaimable", "RECLAIMABLE"),
    ("Shared", "SHARED"),
    ("Size", "SIZE"),
    ("Description", "DESCRIPTION"),
    ("UsageCount", "USAGE COUNT"),
    ("LastUsedAt", "LAST ACCESSED"),
    ("Type", "TYPE"),
];

/// The table, unless another one is asked for.
pub(super) const TABLE: &str = "table {{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedAt}}";

/// A record's fields for people; in a table with the stars of [`row`].
pub(super) fn shown(record: &Record, now: SystemTime, in_table: bool) -> Value {
    let mut fields = object(record);
    let [id, _, size_in_table, last_used] = row(record, now);
    fields["ID"] = if in_table { id } else { record.id.clone() }.into();
    fields["Size"] = if in_table { size_in_table } else { size(record.size_bytes) }.into();
    fields["CreatedAt"] = record.created_at.map(timestamp).unwrap_or_default().into();
    fields["LastUsedAt"] = last_used.into();
    fields
}

/// A time in the future, by a clock that differs, counts as now.
fn ago(time: SystemTime, now: SystemTime) -> String {
    age(now.duration_since(time).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_record_fits_a_row() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let record = Record {
            id: "abc".to_owned(),
            mutable: true,
            shared: true,
            size_bytes: 8_224,
            last_used_at: Some(now - Duration::from_secs(2 * 86_400)),
            ..Record::default()
        };
        assert_eq!(row(&record, now), ["abc*", "true", "8.224kB*", "2 days ago"]);
        assert_eq!(object(&record)["Size"], 8224);
        let fields = |in_table| {
            let shown = shown(&record, now, in_table);
            ["ID", "Size", "LastUsedAt", "CreatedAt"].map(|field| shown[field].as_str().unwrap().to_owned())
        };
        assert_eq!(fields(false), ["abc", "8.224kB", "2 days ago", ""]);
        assert_eq!(fields(true), ["abc*", "8.224kB*", "2 days ago", ""]);
        let shown = shown(&record, now, true);
        assert!(COLUMNS.iter().all(|(field, _)| !shown[field].is_null()));
        assert_eq!(shown.as_object().unwrap().len(), COLUMNS.len());
        assert!(!paragraph(&record, now).contains("Parents"));
    }
}
