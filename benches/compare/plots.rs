//! A picture per column: a bar per forwarder.

use std::path::Path;

use crate::bars::{self, BARE, Bar, OTHERS, OURS};
use crate::columns::Column;
use crate::measure::Sample;
use crate::peers::{Peer, Way};
use crate::summary::{Cell, cell};

/// Draws one column; false if it has nothing to show.
pub(crate) fn draw(file: &Path, samples: &[Sample], column: Column, peers: &[Peer]) -> anyhow::Result<bool> {
    let bar = |peer: &Peer| {
        let Cell { spread, ratio, .. } = cell(samples, column, peer)?;
        let ratio = match ratio {
            Some(ratio) => format!(", x{ratio:.2} of {}", peer.way.baseline()),
            None => String::new(),
        };
        let label = format!("{}{ratio}", column.unit().show(spread.median));
        let color = match peer.way {
            _ if peer.name == "ours" => OURS,
            Way::Direct | Way::Loopback => BARE,
            Way::Beside | Way::Outside | Way::HandedOver => OTHERS,
        };
        Some(Bar { name: peer.name, spread, label, color })
    };
    let bars: Vec<_> = peers.iter().filter_map(bar).collect();
    bars::draw(file, column.title(), column.unit().more_is_better(), &bars)
}
