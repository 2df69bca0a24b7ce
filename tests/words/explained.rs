//! The errors of the plugin and of `docker-plugin`, as `docs/errors.md` explains them.

use docker_assemble::account::NoUser;
use docker_assemble::apply::{Failure, UndoFailure};
use docker_assemble::buildkit::BuildkitError;
use docker_assemble::cancelled::Cancelled;
use docker_assemble::commands::builder::{BuilderWarning, BuildxError};
use docker_assemble::commands::cache::{FilterError, LimitUntold, TooOld, TwoFormats};
use docker_assemble::commands::damage::Damage;
use docker_assemble::commands::doctor::{
    BackendTrouble, ChecksFailed, DaemonTrouble, EngineTrouble, ForwardTrouble, HelperTrouble, KernelTrouble,
    NetworkTrouble, Unanswered,
};
use docker_assemble::commands::leftovers::BackendError;
use docker_assemble::commands::logs::{LogsError, LogsOptionError};
use docker_assemble::commands::manifest::{ManifestOptionError, Unwritten};
use docker_assemble::commands::port::ChangeError;
use docker_assemble::commands::start::{
    DriverOptionError, FileError, NameError, NoVolumeName, NothingLoads, RegistryError, StartError,
    StartWarning,
};
use docker_assemble::commands::stats::NoCounters;
use docker_assemble::commands::stop::NothingRemoved;
use docker_assemble::commands::{ArgumentError, BadVariable, ForceAndWait, InUse};
use docker_assemble::desired::{BadName, ChoiceError};
use docker_assemble::dialer::{DialerError, DialerHint, NotHere};
use docker_assemble::engine::{AnswerError, EngineError, EngineHint, VersionError};
use docker_assemble::forward::Conflict;
use docker_assemble::forward::asked::ListError;
use docker_assemble::health::{Cause, Door, NoNetwork};
use docker_assemble::plan::PlanError;
use docker_assemble::proxy_image::Missing;
use docker_assemble::ready::ReadyError;
use docker_assemble::spec::daemon::{ConfigError, Need};
use docker_plugin::authority::AuthorityError;
use docker_plugin::bounded::NoFile;
use docker_plugin::connect::{AddressError, ConnectError, DialError, TlsError};
use docker_plugin::credentials::{CredentialsError, CredentialsWarning};
use docker_plugin::endpoint::{ConfigWarning, ContextError, EndpointError, HeadersError, HostError};
use docker_plugin::output::{FormatError, OutputError, OutputWarning, TemplateError};
use docker_plugin::usage::{OptionError, ValueError, WordError};

use crate::catalogue;

#[test]
fn every_error_is_explained() {
    let types = crate::explained![
        AddressError,
        AnswerError,
        ArgumentError,
        AuthorityError,
        BackendError,
        BackendTrouble,
        BadName,
        BadVariable,
        BuilderWarning,
        BuildkitError,
        BuildxError,
        Cancelled,
        Cause,
        ChangeError,
        ChecksFailed,
        ChoiceError,
        ConfigError,
        ConfigWarning,
        Conflict,
        ConnectError,
        ContextError,
        CredentialsError,
        CredentialsWarning,
        DaemonTrouble,
        Damage,
        DialError,
        DialerError,
        DialerHint,
        Door,
        DriverOptionError,
        EndpointError,
        EngineError,
        EngineHint,
        EngineTrouble,
        Failure,
        FileError,
        FilterError,
        ForceAndWait,
        FormatError,
        ForwardTrouble,
        HeadersError,
        HelperTrouble,
        HostError,
        InUse,
        KernelTrouble,
        LimitUntold,
        ListError,
        LogsError,
        LogsOptionError,
        ManifestOptionError,
        Missing,
        NameError,
        Need,
        NetworkTrouble,
        NoCounters,
        NoFile,
        NoNetwork,
        NoUser,
        NoVolumeName,
        NotHere,
        NothingLoads,
        NothingRemoved,
        OptionError,
        OutputError,
        OutputWarning,
        PlanError,
        ReadyError,
        RegistryError,
        StartError,
        StartWarning,
        TemplateError,
        TlsError,
        TooOld,
        TwoFormats,
        Unanswered,
        UndoFailure,
        Unwritten,
        ValueError,
        VersionError,
        WordError,
    ];
    catalogue::print("docker-assemble", &["orchestrator/src", "crates/docker-plugin/src"], types);
}
