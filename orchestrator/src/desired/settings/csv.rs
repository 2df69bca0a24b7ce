//! One line of comma-separated values (RFC 4180), as docker's options take some.

/// The fields of a line; `None` where a quote stands in the middle of one or does not end.
#[must_use]
pub fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = end_of(quoted)?;
                (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if !rest.starts_with('"') && field.contains('"') {
            return None;
        }
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// Where the quote is that ends a field; two together are one of its own.
fn end_of(quoted: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += quoted[at..].find('"')?;
        if !quoted[at + 1..].starts_with('"') {
            return Some(at);
        }
        at += 2;
    }
}

/// The line of these fields.
#[must_use]
pub fn line(fields: impl IntoIterator<Item = String>) -> String {
    let quoted = |field: String| match field.contains([',', '"']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    };
    fields.into_iter().map(quoted).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart() {
        for (text, want) in [
            ("", Some(&[""][..])),
            ("a,b=c", Some(&["a", "b=c"])),
            ("\"device=0,1\",x", Some(&["device=0,1", "x"])),
            ("\"a\"\"b\"", Some(&["a\"b"])),
            ("a\"b", None),
            ("\"a", None),
            ("\"a\"b", None),
        ] {
            assert_eq!(
                fields(text).as_deref(),
                want.map(|want| want.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
                "{text}"
            );
        }
        let odd = ["a,b".to_owned(), "c\"d".to_owned(), String::new()];
        assert_eq!(fields(&line(odd.clone())).as_deref(), Some(&odd[..]));
    }
}
