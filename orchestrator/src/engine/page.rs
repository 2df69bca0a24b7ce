//! What a page says that a proxy in front of an engine sends where the engine has words of its own: its
//! title, or else the first words on it. Pure.

/// Elements whose content nobody reads.
const UNSEEN: [&str; 2] = ["script", "style"];

/// More than any title that is meant to be read.
const CHARS: usize = 120;

/// The words of a page in HTML; `None` for what is none.
pub(super) fn words(text: &str) -> Option<String> {
    // Without its letters changing length, so that places in both are the same.
    let lower = text.to_ascii_lowercase();
    let is_page = lower.trim_start().starts_with('<')
        && ["<!doctype html", "<html", "<head", "<body", "<h1", "<title"]
            .iter()
            .any(|tag| lower.contains(tag));
    if !is_page {
        return None;
    }
    let title = element(&lower, "title").map(|(from, to)| read(&text[from..to]));
    let title = title.filter(|title| !title.is_empty());
    Some(title.unwrap_or_else(|| read(&seen(text, &lower))).chars().take(CHARS).collect())
}

/// Where the content of the first element of this name is.
fn element(lower: &str, name: &str) -> Option<(usize, usize)> {
    let tag = lower.find(&format!("<{name}"))?;
    let from = tag + lower[tag..].find('>')? + 1;
    let to = lower[from..].find(&format!("</{name}")).map_or(lower.len(), |at| from + at);
    Some((from, to))
}

/// A page without what is on none of its lines.
fn seen(text: &str, lower: &str) -> String {
    let (mut text, mut lower) = (text.to_owned(), lower.to_owned());
    for name in UNSEEN {
        while let Some((from, to)) = element(&lower, name) {
            text.replace_range(from..to, "");
            lower.replace_range(from..to, "");
            // Its tags are left, and do not match any more.
            let tag = format!("<{name}");
            lower = lower.replacen(&tag, &" ".repeat(tag.len()), 1);
        }
    }
    text
}

/// The text between tags, on one line.
fn read(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut is_tag = false;
    for character in html.chars() {
        match character {
            '<' => is_tag = true,
            '>' if is_tag => {
                is_tag = false;
                text.push(' ');
            }
            other if !is_tag => text.push(other),
            _ => {}
        }
    }
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
    {
        text = text.replace(entity, character);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_page_is_its_title_or_its_first_words() {
        for (page, said) in [
            ("<html><head><title>502 Bad\n Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
            (
                "\n<!DOCTYPE html><HTML><BODY><H1>Forbidden</H1><p>No &amp; never</BODY></HTML>",
                "Forbidden No & never",
            ),
            (
                "<html><style>p { x }</style><script>a<b</script><script>c</script><p>Denied</p></html>",
                "Denied",
            ),
            (
                "<html><script src=\"a.js\"></script><script>b</script><style></style><p>Denied</p></html>",
                "Denied",
            ),
            ("<html><title></title><body>é Denied", "é Denied"),
            ("<html><title>never closed", "never closed"),
            ("<html></html>", ""),
            ("<html", ""),
        ] {
            assert_eq!(words(page).as_deref(), Some(said), "{page}");
        }
        for other in ["", "forbidden", "<none> is no image", "{\"message\":\"<html>\"}", "a <html> b"] {
            assert_eq!(words(other), None, "{other}");
        }
        assert_eq!(words(&format!("<html>{}", "é".repeat(500))).unwrap().chars().count(), 120);
    }
}
