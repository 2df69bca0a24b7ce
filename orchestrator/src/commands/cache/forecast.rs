//! What a purge would remove. Pure.
//!
//! The rule, which is BuildKit's own: a record goes when no build uses it, when it was not used
//! within the time to keep, when it matches the filters, and when every record that builds upon
//! it goes too. Internal and frontend records, and those shared with images, go only with
//! `--all`. Builds that begin or end before the purge itself change what it finds; and while it
//! purges, an old daemon (0.13 is one) knows neither a record's description nor its parents, so
//! that there a filter by them removes nothing.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::Purge;
use crate::buildkit::Record;

/// Those of `all` that would go; `matching` are the ids of the records that the daemon finds
/// with the purge's filters.
pub(super) fn forecast<'a>(
    all: &'a [Record],
    matching: &BTreeSet<&str>,
    purge: &Purge,
    now: SystemTime,
) -> Vec<&'a Record> {
    let may_go = |record: &&Record| {
        let is_kept_kind = record.shared || matches!(record.record_type.as_str(), "internal" | "frontend");
        let is_recent = purge.until.zip(record.last_used_at).is_some_and(|(keep, used)| used + keep > now);
        !record.in_use && (purge.all || !is_kept_kind) && !is_recent && matching.contains(record.id.as_str())
    };
    let mut going: BTreeSet<&str> = all.iter().filter(may_go).map(|record| record.id.as_str()).collect();
    // What stays keeps what it builds upon, that keeps its own parents, and so on.
    let staying = |going: &BTreeSet<&str>| {
        let stay = all.iter().filter(|record| !going.contains(record.id.as_str()));
        stay.flat_map(|record| &record.parents).map(String::as_str).collect::<BTreeSet<_>>()
    };
    loop {
        let before = going.len();
        let needed = staying(&going);
        going.retain(|id| !needed.contains(id));
        if going.len() == before {
            break;
        }
    }
    all.iter().filter(|record| going.contains(record.id.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(id: &str, parents: &[&str]) -> Record {
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        Record { id: id.to_owned(), parents, record_type: "regular".to_owned(), ..Record::default() }
    }

    fn ids(all: &[Record], matching: Option<&[&str]>, purge: &Purge) -> Vec<String> {
        let everything = all.iter().map(|record| record.id.as_str()).collect();
        let matching = matching.map_or(everything, |ids| ids.iter().copied().collect());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        forecast(all, &matching, purge, now).into_iter().map(|record| record.id.clone()).collect()
    }

    #[test]
    fn what_stays_keeps_its_ancestors() {
        let chain = [record("a", &[]), record("b", &["a"]), record("c", &["b"]), record("d", &["a"])];
        assert_eq!(ids(&chain, None, &Purge::default()), ["a", "b", "c", "d"]);
        assert_eq!(ids(&chain, Some(&["a", "b", "d"]), &Purge::default()), ["d"]);
        assert_eq!(ids(&chain, Some(&["b", "c"]), &Purge::default()), ["b", "c"]);
    }

    #[test]
    fn what_is_used_recent_or_special_stays() {
        let mut all = ["used", "recent", "old", "internal", "frontend", "shared"].map(|id| record(id, &[]));
        all[0].in_use = true;
        all[1].last_used_at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(950));
        all[2].last_used_at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(800));
        all[3].record_type = "internal".to_owned();
        all[4].record_type = "frontend".to_owned();
        all[5].shared = true;
        assert_eq!(ids(&all, None, &Purge::default()), ["recent", "old"]);
        let until = Purge { until: Some(Duration::from_secs(100)), ..Purge::default() };
        assert_eq!(ids(&all, None, &until), ["old"]);
        let everything = Purge { all: true, ..Purge::default() };
        assert_eq!(ids(&all, None, &everything), ["recent", "old", "internal", "frontend", "shared"]);
    }
}
