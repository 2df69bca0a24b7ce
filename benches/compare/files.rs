//! What a run leaves behind: `PREFIX.md`, `PREFIX.jsonl` and a `PREFIX-COLUMN.svg` for each column.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::columns::Column;
use crate::conditions::Conditions;
use crate::measure::Sample;
use crate::peers::Peer;
use crate::{plots, report};

/// The files of one run; the samples are written as they come.
pub(crate) struct Files {
    prefix: PathBuf,
    samples: File,
}

impl Files {
    pub(crate) fn create(prefix: &Path) -> anyhow::Result<Self> {
        let failed = || format!("cannot write {}.*", prefix.display());
        if let Some(dir) = prefix.parent() {
            fs::create_dir_all(dir).with_context(failed)?;
        }
        let samples = File::create(with(prefix, ".jsonl")).with_context(failed)?;
        Ok(Self { prefix: prefix.to_owned(), samples })
    }

    pub(crate) fn add(&mut self, sample: &Sample) -> anyhow::Result<()> {
        writeln!(self.samples, "{}", report::json(sample)).context("cannot keep a sample")
    }

    pub(crate) fn finish(
        self,
        conditions: &Conditions,
        samples: &[Sample],
        columns: &[Column],
        peers: &[Peer],
    ) -> anyhow::Result<()> {
        let mut pictures = Vec::new();
        for &column in columns {
            let file = with(&self.prefix, &format!("-{}.svg", column.name()));
            if plots::draw(&file, samples, column, peers)? {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                pictures.push((column, name));
            }
        }
        let text = report::markdown(conditions, samples, columns, peers, &pictures);
        let file = with(&self.prefix, ".md");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("written: {}", file.display());
        Ok(())
    }
}

fn with(prefix: &Path, end: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(end);
    name.into()
}
