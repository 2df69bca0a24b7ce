//! What the samples add up to: medians, and ratios within a round.

use crate::bars::Spread;
use crate::columns::Column;
use crate::measure::Sample;
use crate::peers::{Peer, Way};

/// All rounds of one forwarder in one column.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) spread: Spread,
    /// Median of the ratios to the baseline of the same round.
    pub(crate) ratio: Option<f64>,
    pub(crate) cpu: Option<f64>,
    samples: Vec<Sample>,
}

impl Cell {
    /// The median of one of the details.
    pub(crate) fn detail(&self, name: &str) -> Option<f64> {
        let values = self.samples.iter().filter_map(|sample| sample.detail(name));
        median(values.collect())
    }
}

impl Sample {
    pub(crate) fn detail(&self, name: &str) -> Option<f64> {
        self.details.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// The ratio of a sample to its baseline in the same round, where there is one.
pub(crate) fn ratio(samples: &[Sample], sample: &Sample, peer: &Peer) -> Option<f64> {
    if peer.way.is_bare() {
        return None;
    }
    let same = |other: &&Sample| {
        other.peer == peer.way.baseline() && other.column == sample.column && other.round == sample.round
    };
    samples.iter().find(same).map(|base| sample.value / base.value)
}

/// The ratios of one forwarder to another in the same rounds.
pub(crate) fn beside(samples: &[Sample], column: Column, name: &str, other: &str) -> Option<Spread> {
    let value = |name: &str, round: usize| {
        let same = |sample: &&Sample| sample.peer == name && sample.column == column && sample.round == round;
        samples.iter().find(same).map(|sample| sample.value)
    };
    let of = samples.iter().filter(|sample| sample.peer == name && sample.column == column);
    let ratios = of.filter_map(|sample| Some(sample.value / value(other, sample.round)?)).collect();
    Spread::of(ratios)
}

/// What one forwarder has in one column; none if nothing was measured.
pub(crate) fn cell(samples: &[Sample], column: Column, peer: &Peer) -> Option<Cell> {
    let own: Vec<Sample> =
        samples.iter().filter(|s| s.column == column && s.peer == peer.name).cloned().collect();
    Some(Cell {
        spread: Spread::of(own.iter().map(|sample| sample.value).collect())?,
        ratio: median(own.iter().filter_map(|sample| ratio(samples, sample, peer)).collect()),
        cpu: median(own.iter().filter_map(|sample| sample.cpu).collect()),
        samples: own,
    })
}

/// The best of the forwarders that stand between the same client and server: of all, and of
/// the others than ours.
pub(crate) fn best(samples: &[Sample], column: Column, peers: &[Peer]) -> [Option<&'static str>; 2] {
    let of = |with_ours: bool| {
        let values = peers
            .iter()
            .filter(|peer| {
                peer.way == Way::Beside && (with_ours || peer.name != "ours") && !peer.messages_only
            })
            .filter_map(|peer| Some((peer.name, cell(samples, column, peer)?.spread.median)));
        let sign = if column.unit().more_is_better() { 1.0 } else { -1.0 };
        values.max_by(|a, b| (a.1 * sign).total_cmp(&(b.1 * sign))).map(|(name, _)| name)
    };
    [of(true), of(false)]
}

fn median(values: Vec<f64>) -> Option<f64> {
    Spread::of(values).map(|spread| spread.median)
}
