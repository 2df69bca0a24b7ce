//! BuildKit's own interface, of which the backend needs little: who works, what is cached, and
//! how to throw it away.
//!
//! It is reached through a command in the backend's container, so it needs no port.

mod client;
mod convert;
mod error;
mod wire;

pub use client::Client;
pub use error::{BuildkitError, Call};

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::Stream;

/// A result of BuildKit.
pub type Result<T, E = BuildkitError> = std::result::Result<T, E>;

/// Records in the order in which the daemon reports them.
pub type RecordStream = Pin<Box<dyn Stream<Item = Result<Record>> + Send>>;

/// One worker of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Its id: 25 letters and digits.
    pub id: String,
    /// Its labels, such as `org.mobyproject.buildkit.worker.executor`.
    pub labels: BTreeMap<String, String>,
    /// What it builds for, the native one first: `linux/amd64`, `linux/arm/v7`.
    pub platforms: Vec<String>,
    /// The rules by which it throws cache away by itself, in the order in which it goes by them.
    pub gc_policies: Vec<GcPolicy>,
}

/// A rule by which the daemon keeps its cache small. A limit of 0 is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcPolicy {
    /// Internal and frontend records too.
    pub all: bool,
    /// Filters in BuildKit's words; a record that any one matches may go.
    pub filters: Vec<String>,
    /// What was used within this time stays.
    pub keep_duration: Duration,
    /// So many bytes stay in any case.
    pub reserved_space_bytes: u64,
    /// The cache takes at most so many bytes (0 for BuildKit before 0.17, which knows only the one
    /// above and means this by it).
    pub max_used_space_bytes: u64,
    /// So many bytes of the disk are left free.
    pub min_free_space_bytes: u64,
}

/// The daemon's version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Go package it was built from: `github.com/moby/buildkit`.
    pub package: String,
    /// Version, such as `v0.13.2`.
    pub version: String,
    /// Commit.
    pub revision: String,
}

/// A build that is not done yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// By which BuildKit and its clients know it.
    pub id: String,
    /// The image that it makes, where that has a name.
    pub image: Option<String>,
}

/// One record of the build cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// The records it builds upon.
    pub parents: Vec<String>,
    /// When it was made.
    pub created_at: Option<SystemTime>,
    /// Whether it can still change, as a cache mount can.
    pub mutable: bool,
    /// Whether a running build uses it; what is not in use can be reclaimed.
    pub in_use: bool,
    /// Whether its bytes are shared with images.
    pub shared: bool,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// What it holds, for people.
    pub description: String,
    /// How often it was used.
    pub usage_count: u64,
    /// When it was last used.
    pub last_used_at: Option<SystemTime>,
    /// `regular`, `internal`, `frontend`, `source.local`, `source.git.checkout` or
    /// `exec.cachemount`.
    pub record_type: String,
}

/// Which records to throw away. The default is all that is not in use, internal and frontend
/// records excepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneOptions {
    /// Filters in BuildKit's words, such as `type==regular`; a record that any one matches goes.
    pub filters: Vec<String>,
    /// Internal and frontend records too.
    pub all: bool,
    /// Keep what was used within this time.
    pub keep_duration: Option<Duration>,
    /// Keep at least this many bytes.
    pub reserved_space_bytes: Option<u64>,
    /// Let the cache keep at most this many bytes (BuildKit 0.17 and later, ignored before).
    pub max_used_space_bytes: Option<u64>,
    /// Throw away until this many bytes of the disk are free (BuildKit 0.17 and later, ignored
    /// before).
    pub min_free_space_bytes: Option<u64>,
}
