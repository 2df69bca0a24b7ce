//! How far the pull of an image is, in one bar for all its layers. Pure.

use std::collections::BTreeMap;

use docker_plugin::output::size;

use crate::engine::{Amount, PullProgress};

/// How many letters are between the bar's ends. The bar comes last: a narrow screen cuts the line.
const WIDTH: u64 = 10;

/// The layers that have told their size.
#[derive(Debug, Default)]
pub(super) struct Bar(BTreeMap<String, Layer>);

/// Bytes of one layer, as its registry keeps it.
#[derive(Debug, Default)]
struct Layer {
    all: u64,
    downloaded: u64,
    extracted: u64,
    /// How long it is being extracted, where nothing else is told of that.
    seconds: Option<u64>,
}

impl Bar {
    /// Takes note of a line of progress, in the engine's words.
    pub(super) fn update(&mut self, progress: &PullProgress) {
        match (progress.status.as_str(), progress.amount) {
            ("Downloading", Some(Amount::Bytes(done, all))) => {
                let layer = self.0.entry(progress.id.clone()).or_default();
                (layer.downloaded, layer.all) = (done.min(all), all);
            }
            ("Extracting", Some(Amount::Bytes(done, all))) => {
                let layer = self.0.entry(progress.id.clone()).or_default();
                (layer.downloaded, layer.extracted, layer.all) = (all, done.min(all), all);
            }
            ("Extracting", Some(Amount::Seconds(seconds))) => {
                if let Some(layer) = self.0.get_mut(&progress.id) {
                    (layer.downloaded, layer.seconds) = (layer.all, Some(seconds));
                }
            }
            ("Verifying Checksum" | "Download complete", _) => {
                if let Some(layer) = self.0.get_mut(&progress.id) {
                    layer.downloaded = layer.all;
                }
            }
            ("Pull complete", _) => {
                if let Some(layer) = self.0.get_mut(&progress.id) {
                    (layer.downloaded, layer.extracted) = (layer.all, layer.all);
                }
            }
            _ => {}
        }
    }

    /// The bar with the sizes; `None` while none are known, and when all is done. Where only seconds are
    /// told of a layer that is being extracted, they stand in the bar's place.
    pub(super) fn line(&self) -> Option<String> {
        let sum = |part: fn(&Layer) -> u64| self.0.values().map(part).sum::<u64>();
        let all = sum(|layer| layer.all);
        let (downloaded, extracted) = (sum(|layer| layer.downloaded), sum(|layer| layer.extracted));
        let (verb, done) = match (downloaded, extracted) {
            _ if all == 0 || extracted >= all => return None,
            (downloaded, _) if downloaded < all => ("Downloading", downloaded),
            (_, extracted) => ("Extracting", extracted),
        };
        let amount = format!("{verb} {}/{}", size(done), size(all));
        let at_work = self.0.values().filter(|layer| layer.extracted < layer.all);
        if let Some(seconds) = at_work.filter_map(|layer| layer.seconds).max().filter(|_| downloaded >= all) {
            return Some(format!("{amount} {seconds} s"));
        }
        let filled = usize::try_from(done.saturating_mul(WIDTH - 1) / all).unwrap_or_default();
        let empty = usize::try_from(WIDTH - 1).unwrap_or_default() - filled;
        let bar = format!("{}>{}", "=".repeat(filled), " ".repeat(empty));
        Some(format!("{amount} [{bar}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_goes_from_left_to_right_twice() {
        let mut bar = Bar::default();
        let mut step = |id: &str, status: &str, bytes: Option<(u64, u64)>| {
            let amount = bytes.map(|(done, all)| Amount::Bytes(done, all));
            bar.update(&PullProgress { id: id.to_owned(), status: status.to_owned(), amount });
            bar.line().unwrap_or_default()
        };
        for (id, status, bytes, line) in [
            ("latest", "Pulling from x", None, ""),
            ("a", "Pulling fs layer", None, ""),
            ("a", "Downloading", Some((0, 1000)), "Downloading 0B/1kB [>         ]"),
            ("a", "Downloading", Some((500, 1000)), "Downloading 500B/1kB [====>     ]"),
            ("b", "Downloading", Some((500, 9000)), "Downloading 1kB/10kB [>         ]"),
            ("a", "Download complete", None, "Downloading 1.5kB/10kB [=>        ]"),
            ("c", "Already exists", None, "Downloading 1.5kB/10kB [=>        ]"),
            ("b", "Verifying Checksum", None, "Extracting 0B/10kB [>         ]"),
            ("a", "Extracting", Some((1000, 1000)), "Extracting 1kB/10kB [>         ]"),
            ("a", "Pull complete", None, "Extracting 1kB/10kB [>         ]"),
            ("b", "Extracting", Some((8999, 9000)), "Extracting 9.999kB/10kB [========> ]"),
            ("b", "Pull complete", None, ""),
        ] {
            assert_eq!(step(id, status, bytes), line, "{id} {status}");
        }
    }

    #[test]
    fn where_only_seconds_are_told_they_are_shown() {
        let mut bar = Bar::default();
        let mut step = |id: &str, status: &str, amount| {
            bar.update(&PullProgress { id: id.to_owned(), status: status.to_owned(), amount });
            bar.line().unwrap_or_default()
        };
        for (id, status, amount, line) in [
            ("a", "Downloading", Some(Amount::Bytes(1000, 1000)), "Extracting 0B/1kB [>         ]"),
            ("b", "Downloading", Some(Amount::Bytes(1, 9000)), "Downloading 1.001kB/10kB [>         ]"),
            ("a", "Extracting", Some(Amount::Seconds(1)), "Downloading 1.001kB/10kB [>         ]"),
            ("b", "Download complete", None, "Extracting 0B/10kB 1 s"),
            ("a", "Pull complete", None, "Extracting 1kB/10kB [>         ]"),
            ("b", "Extracting", Some(Amount::Seconds(1)), "Extracting 1kB/10kB 1 s"),
            ("b", "Extracting", Some(Amount::Seconds(20)), "Extracting 1kB/10kB 20 s"),
            ("b", "Pull complete", None, ""),
        ] {
            assert_eq!(step(id, status, amount), line, "{id} {status}");
        }
    }
}
