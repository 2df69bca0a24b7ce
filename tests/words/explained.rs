//! The errors of the plugin, as `docs/errors.md` explains them.

use docker_assemble::account::NoUser;
use docker_assemble::apply::Failure;
use docker_assemble::buildkit::BuildkitError;
use docker_assemble::cancelled::Cancelled;
use docker_assemble::commands::builder::{BuilderWarning, BuildxError};
use docker_assemble::commands::cache::TooOld;
use docker_assemble::commands::damage::Damage;
use docker_assemble::commands::doctor::ChecksFailed;
use docker_assemble::commands::logs::LogsError;
use docker_assemble::commands::remains::BackendError;
use docker_assemble::commands::start::{FileError, NameError, StartError, StartWarning};
use docker_assemble::commands::stop::NothingRemoved;
use docker_assemble::dialer::DialerError;
use docker_assemble::engine::{AnswerError, EngineError, VersionError};
use docker_assemble::plan::PlanError;
use docker_assemble::proxy_image::Missing;
use docker_assemble::ready::ReadyError;
use docker_assemble::spec::daemon::{ConfigError, Need};

use crate::catalogue;

#[test]
fn every_error_is_explained() {
    let types = crate::explained![
        AnswerError,
        BackendError,
        BuilderWarning,
        BuildkitError,
        BuildxError,
        Cancelled,
        ChecksFailed,
        ConfigError,
        Damage,
        DialerError,
        EngineError,
        Failure,
        FileError,
        LogsError,
        Missing,
        NameError,
        Need,
        NoUser,
        NothingRemoved,
        PlanError,
        ReadyError,
        StartError,
        StartWarning,
        TooOld,
        VersionError,
    ];
    catalogue::print("docker-assemble", &["orchestrator/src"], types);
}
