//! A session as an SVG: a terminal on which one command after the other appears, over and over. Who wants no
//! motion sees its end.

use std::fmt::Write;

use super::Step;

/// Columns and pixels.
const COLUMNS: usize = 108;
const COLUMN: usize = 8;
const ROW: usize = 18;
const MARGIN: usize = 16;

/// How long a command stays alone on the screen, and the end of the session before it begins anew.
const SECONDS: usize = 3;
const END: usize = 8;

/// A terminal has a ground of its own, so that the picture is the same on a light and on a dark page.
const STYLE: &str = "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d0d7de;white-space:pre}\
                     .typed{fill:#7ee787;font-weight:bold}";

pub(super) fn of(steps: &[Step]) -> String {
    let all = steps.len() * SECONDS + END;
    let (mut body, mut style, mut row) = (String::new(), STYLE.to_owned(), 0);
    for (at, Step { command, shown }) in steps.iter().enumerate() {
        let shows_at = 100 * at * SECONDS / all;
        write!(style, "@keyframes s{at}{{0%,{shows_at}%{{opacity:0}}{}%,100%{{opacity:1}}}}", shows_at + 1)
            .unwrap();
        write!(style, "#s{at}{{animation:s{at} {all}s infinite}}").unwrap();
        writeln!(body, "<g id=\"s{at}\">").unwrap();
        let typed = rows(&format!("$ {command}")).into_iter().map(|row| (" class=\"typed\"", row));
        for (class, text) in typed.chain(shown.lines().flat_map(rows).map(|row| ("", row))) {
            row += 1;
            if !text.is_empty() {
                let y = MARGIN + row * ROW;
                writeln!(body, "<text x=\"{MARGIN}\" y=\"{y}\"{class}>{}</text>", escaped(&text)).unwrap();
            }
        }
        body.push_str("</g>\n");
    }
    style.push_str("@media (prefers-reduced-motion){g{animation:none!important}}");
    let (width, height) = (COLUMNS * COLUMN + 2 * MARGIN, (row + 1) * ROW + 2 * MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" xml:space=\"preserve\">\n\
         <title>From nothing to a push to localhost</title>\n<style>{style}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#161b22\"/>\n{body}</svg>\n"
    )
}

/// A line as a terminal breaks it.
fn rows(line: &str) -> Vec<String> {
    let letters: Vec<char> = line.chars().collect();
    if letters.is_empty() {
        return vec![String::new()];
    }
    letters.chunks(COLUMNS).map(|row| row.iter().collect()).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
