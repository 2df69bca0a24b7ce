//! A picture per column: a bar per forwarder, the median, with a whisker from least to greatest.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::columns::Column;
use crate::measure::Sample;
use crate::peers::{Peer, Way};
use crate::summary::cell;

const WIDTH: i32 = 760;
const TOP: i32 = 56;
/// Height of a bar with the space below it.
const STEP: i32 = 34;
const BAR: i32 = 20;
/// Where bars begin: names are left of it.
const LEFT: i32 = 130;
/// Room for the figure right of the longest bar.
const RIGHT: i32 = 190;

const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const OTHERS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const BARE: RGBColor = RGBColor(0xd9, 0xde, 0xe3);
const INK: RGBColor = RGBColor(0x22, 0x2b, 0x33);

/// Draws one column; false if it has nothing to show.
pub(crate) fn draw(file: &Path, samples: &[Sample], column: Column, peers: &[Peer]) -> anyhow::Result<bool> {
    let cells: Vec<_> = peers.iter().filter_map(|peer| Some((peer, cell(samples, column, peer)?))).collect();
    let longest = cells.iter().map(|(_, cell)| cell.max).fold(0.0, f64::max);
    if longest <= 0.0 {
        return Ok(false);
    }
    let rows = i32::try_from(cells.len())?;
    let size = (WIDTH.unsigned_abs(), (TOP + rows * STEP + 8).unsigned_abs());
    let root = SVGBackend::new(file, size).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow!("cannot draw {}: {error}", file.display());
    let paint = |result: Result<(), DrawingAreaErrorKind<_>>| {
        result.map_err(|error: DrawingAreaErrorKind<std::io::Error>| failed(&error))
    };
    paint(root.fill(&WHITE))?;
    let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
    paint(root.draw(&Text::new(column.title(), (12, 12), font(18))))?;
    let better = if column.unit().more_is_better() { "longer is better" } else { "shorter is better" };
    paint(root.draw(&Text::new(better, (12, 34), font(12))))?;
    #[expect(clippy::cast_possible_truncation, reason = "rounded to a pixel of a small picture")]
    let x = |value: f64| LEFT + (value.max(0.0) / longest * f64::from(WIDTH - LEFT - RIGHT)).round() as i32;
    for (row, (peer, cell)) in (0..).zip(&cells) {
        let top = TOP + row * STEP;
        let middle = top + BAR / 2;
        let color = match peer.way {
            _ if peer.name == "ours" => OURS,
            Way::Direct | Way::Loopback => BARE,
            Way::Beside | Way::Outside | Way::HandedOver => OTHERS,
        };
        let right = font(14).pos(Pos::new(HPos::Right, VPos::Center));
        paint(root.draw(&Text::new(peer.name, (LEFT - 8, middle), right)))?;
        paint(root.draw(&Rectangle::new([(LEFT, top), (x(cell.median), top + BAR)], color.filled())))?;
        for line in [
            [(x(cell.min), middle), (x(cell.max), middle)],
            [(x(cell.min), middle - 4), (x(cell.min), middle + 4)],
            [(x(cell.max), middle - 4), (x(cell.max), middle + 4)],
        ] {
            paint(root.draw(&PathElement::new(line, INK.stroke_width(1))))?;
        }
        let ratio = match cell.ratio {
            Some(ratio) => format!(", x{ratio:.2} of {}", peer.way.baseline()),
            None => String::new(),
        };
        let left = font(14).pos(Pos::new(HPos::Left, VPos::Center));
        let label = format!("{}{ratio}", column.unit().show(cell.median));
        paint(root.draw(&Text::new(label, (x(cell.max) + 8, middle), left)))?;
    }
    paint(root.present())?;
    Ok(true)
}
