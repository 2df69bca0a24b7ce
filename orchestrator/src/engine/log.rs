//! The log of a container in the API's words and in ours.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;

use super::{LogChunk, LogOptions};

/// What is asked for.
pub(super) fn query(options: &LogOptions) -> LogsOptions {
    LogsOptions {
        follow: options.follow,
        stdout: true,
        stderr: true,
        since: unix_seconds(options.since),
        until: unix_seconds(options.until),
        timestamps: options.timestamps,
        tail: options.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
    }
}

/// The API's times are seconds since 1970, 0 for none.
fn unix_seconds(time: Option<i64>) -> i32 {
    time.map_or(0, |seconds| i32::try_from(seconds).unwrap_or(i32::MAX))
}

/// What comes.
pub(super) fn chunk(output: LogOutput) -> LogChunk {
    match output {
        LogOutput::StdErr { message } => LogChunk::Stderr(message),
        LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
            LogChunk::Stdout(message)
        }
    }
}
