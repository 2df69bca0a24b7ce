//! A picture of bars: a bar for each median, with a whisker from least to greatest.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const WIDTH: i32 = 760;
const TOP: i32 = 56;
/// Height of a bar with the space below it.
const STEP: i32 = 34;
const BAR: i32 = 20;
/// Where bars begin: names are left of it.
const LEFT: i32 = 130;
/// Room for the figure right of the longest bar.
const RIGHT: i32 = 190;

pub(crate) const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
pub(crate) const OTHERS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
pub(crate) const BARE: RGBColor = RGBColor(0xd9, 0xde, 0xe3);
const INK: RGBColor = RGBColor(0x22, 0x2b, 0x33);

/// The least, the middle and the greatest of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// None where there are no values.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            n if n % 2 == 1 => values[middle],
            _ => f64::midpoint(*values.get(middle.checked_sub(1)?)?, values[middle]),
        };
        Some(Self { min: *values.first()?, median, max: *values.last()? })
    }
}

/// One bar.
pub(crate) struct Bar<'a> {
    pub(crate) name: &'a str,
    pub(crate) spread: Spread,
    /// What stands right of it.
    pub(crate) label: String,
    pub(crate) color: RGBColor,
}

/// Draws them under a title; false if there is nothing to show.
pub(crate) fn draw(file: &Path, title: &str, more_is_better: bool, bars: &[Bar<'_>]) -> anyhow::Result<bool> {
    let longest = bars.iter().map(|bar| bar.spread.max).fold(0.0, f64::max);
    if longest <= 0.0 {
        return Ok(false);
    }
    let rows = i32::try_from(bars.len())?;
    let size = (WIDTH.unsigned_abs(), (TOP + rows * STEP + 8).unsigned_abs());
    let root = SVGBackend::new(file, size).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow!("cannot draw {}: {error}", file.display());
    let paint = |result: Result<(), DrawingAreaErrorKind<_>>| {
        result.map_err(|error: DrawingAreaErrorKind<std::io::Error>| failed(&error))
    };
    paint(root.fill(&WHITE))?;
    let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
    paint(root.draw(&Text::new(title, (12, 12), font(18))))?;
    let better = if more_is_better { "longer is better" } else { "shorter is better" };
    paint(root.draw(&Text::new(better, (12, 34), font(12))))?;
    #[expect(clippy::cast_possible_truncation, reason = "rounded to a pixel of a small picture")]
    let x = |value: f64| LEFT + (value.max(0.0) / longest * f64::from(WIDTH - LEFT - RIGHT)).round() as i32;
    for (row, Bar { name, spread: Spread { min, median, max }, label, color }) in (0..).zip(bars) {
        let top = TOP + row * STEP;
        let middle = top + BAR / 2;
        let right = font(14).pos(Pos::new(HPos::Right, VPos::Center));
        paint(root.draw(&Text::new(*name, (LEFT - 8, middle), right)))?;
        paint(root.draw(&Rectangle::new([(LEFT, top), (x(*median), top + BAR)], color.filled())))?;
        for line in [
            [(x(*min), middle), (x(*max), middle)],
            [(x(*min), middle - 4), (x(*min), middle + 4)],
            [(x(*max), middle - 4), (x(*max), middle + 4)],
        ] {
            paint(root.draw(&PathElement::new(line, INK.stroke_width(1))))?;
        }
        let left = font(14).pos(Pos::new(HPos::Left, VPos::Center));
        paint(root.draw(&Text::new(label.as_str(), (x(*max) + 8, middle), left)))?;
    }
    paint(root.present())?;
    Ok(true)
}
