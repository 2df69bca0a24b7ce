//! `DOCKER_CUSTOM_HEADERS`: a line of comma-separated values, each `NAME=VALUE` (docker/cli,
//! `cli/command/cli_options.go`).
//!
//! Read here because Go's reader of CSV refuses quotes where none belong, and the `csv` crate takes
//! whatever comes.

use explained::Explained;

use super::EndpointError;

/// What is wrong with the variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum HeadersError {
    /// A quote that is not closed, or in a value without quotes.
    #[error("it must be comma-separated NAME=VALUE pairs")]
    #[advice = "correct it"]
    Pairs,
    /// A word among the pairs.
    #[error("\"=\" is missing in \"{text}\"")]
    #[advice = "write `NAME=VALUE`"]
    NoValue {
        /// The word.
        text: String,
    },
    /// A value alone.
    #[error("the name is missing in \"{text}\"")]
    #[advice = "write `NAME=VALUE`"]
    NoName {
        /// The pair.
        text: String,
    },
}

/// Reads the variable, with docker's own complaints.
pub(super) fn read(text: &str) -> Result<Vec<(String, String)>, EndpointError> {
    let bad = |why| EndpointError::BadHeaders { why };
    let values = values(text).ok_or_else(|| bad(HeadersError::Pairs))?;
    let pair = |text: String| match text.split_once('=') {
        None => Err(bad(HeadersError::NoValue { text })),
        Some((name, _)) if name.trim().is_empty() => Err(bad(HeadersError::NoName { text })),
        // Spaces may belong to a value.
        Some((name, value)) => Ok((name.trim().to_owned(), value.to_owned())),
    };
    values.into_iter().map(pair).collect()
}

/// The values in the first line of CSV (RFC 4180): one in quotes may hold commas, and quotes doubled.
fn values(text: &str) -> Option<Vec<String>> {
    let mut rest = text.lines().next().unwrap_or_default();
    let mut values = Vec::new();
    loop {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (value, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                (Some(value.to_owned()).filter(|value| !value.contains('"'))?, after)
            }
        };
        values.push(value);
        if after.is_empty() {
            return Some(values);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// The value up to its closing quote, and what follows that.
fn unquote(mut rest: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_docker_reads_them() {
        let pairs = |text| read(text).map_err(|error| error.to_string());
        let owned = |pairs: &[(&str, &str)]| {
            Ok(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(pairs("X-C=d, X-E =f=g"), owned(&[("X-C", "d"), ("X-E", "f=g")]));
        assert_eq!(pairs("X-A= b "), owned(&[("X-A", " b ")]));
        assert_eq!(
            pairs("\"X-A=b,c\",\"X-D=say \"\"e\"\"\""),
            owned(&[("X-A", "b,c"), ("X-D", "say \"e\"")])
        );
        for (text, word) in [
            ("X-A", "\"X-A\""),
            ("X-A=b,", "\"=\""),
            (" =b", "\" =b\""),
            ("\"X-A=b", "pairs"),
            ("\"X-A=b\"c", "pairs"),
            ("X-A=\"b\"", "pairs"),
        ] {
            let why = pairs(text).unwrap_err();
            assert!(why.contains(word) && why.contains("DOCKER_CUSTOM_HEADERS"), "{text}: {why}");
        }
    }
}
