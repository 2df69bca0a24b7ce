//! Whether every block of a template has its end. The engine takes the end of the text for it,
//! and drops what follows an end too many; Go refuses both.

/// Makes sure of it.
///
/// # Errors
/// The line and Go's words for what is wrong there. Actions that are not closed are left to the
/// parser.
pub(super) fn check(source: &str) -> Result<(), (usize, &'static str)> {
    let line = |rest: &str| source[..source.len() - rest.len()].matches('\n').count() + 1;
    let mut depth = 0_usize;
    let mut rest = source;
    while let Some(start) = rest.find("{{") {
        let at = &rest[start..];
        let body = &at[2..];
        let Some((action, behind)) = action(body) else { return Ok(()) };
        let words = action.strip_prefix("- ").unwrap_or(action).trim_start();
        let word = words.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        match word {
            "if" | "range" | "with" | "define" | "block" => depth += 1,
            "end" if depth == 0 => return Err((line(at), "unexpected {{end}}")),
            "else" if depth == 0 => return Err((line(at), "unexpected {{else}}")),
            "end" => depth -= 1,
            _ => {}
        }
        rest = behind;
    }
    if depth > 0 { Err((line(""), "unexpected EOF")) } else { Ok(()) }
}

/// The text of an action up to its closing braces, which do not count within quotes and
/// comments, and what is behind them.
fn action(body: &str) -> Option<(&str, &str)> {
    let comment = body.strip_prefix("- ").unwrap_or(body);
    if comment.starts_with("/*") {
        let behind = &comment[comment.find("*/")?..];
        return Some(("", &behind[behind.find("}}")? + 2..]));
    }
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in body.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"' | '\'') if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '\'' | '`') => quote = Some(letter),
            None if body[at..].starts_with("}}") => return Some((&body[..at], &body[at + 2..])),
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_ends_are_counted() {
        for good in [
            "",
            "{{if .X}}{{else}}{{end}}",
            "{{- range .X -}}{{if .}}{{end}}{{- end -}}",
            "{{/* {{if}} */}}{{\"{{if}} \\\" }}\"}}{{`}}`}}{{'}'}}",
            "{{ with .X }}{{ end }}{{define \"a\"}}{{end}}{{block \"b\" .}}{{end}}",
            "{{.end}} {{ending}} {{ifs}}",
            "{{if",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, line, why) in [
            ("{{if .X}}\n", 2, "unexpected EOF"),
            ("{{range .X}}{{if .}}{{end}}", 1, "unexpected EOF"),
            ("a\n{{end}}", 2, "unexpected {{end}}"),
            ("{{if .X}}{{end}}{{else}}", 1, "unexpected {{else}}"),
        ] {
            assert_eq!(check(bad), Err((line, why)), "{bad}");
        }
    }
}
