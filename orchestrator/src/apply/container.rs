//! Makes and starts a container, of the first of its specs that the engine takes.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::{Event, Failure, Run, files};
use crate::desired::ContainerName;
use crate::engine::{Created, Engine, EngineError};
use crate::observed::ContainerId;
use crate::spec::{Candidates, ContainerSpec};

impl<E: Engine> Run<'_, E> {
    pub(super) async fn run<'p>(
        &self,
        candidates: &'p Candidates,
    ) -> Result<(&'p ContainerName, ContainerId), Failure> {
        let (mut wanted, mut fallback) = (&candidates.preferred, candidates.fallback.as_ref());
        let mut spec = self.without_refused(wanted);
        let mut told = BTreeSet::new();
        loop {
            let error = match self.create_and_start(&spec).await {
                Ok(Created { id, warnings }) => {
                    for words in &warnings {
                        (self.report)(Event::PassedOver(&wanted.name, words));
                    }
                    return Ok((&wanted.name, id));
                }
                Err(error) => error,
            };
            // First, since what is said of a setting often sounds like missing privileges.
            if let Some((setting, less)) = error.refusal().and_then(|words| spec.without_refused(words)) {
                // The fallback may meet it again.
                if let Some(setting) = setting.filter(|setting| !told.contains(setting)) {
                    (self.report)(Event::SettingRefused(&wanted.name, &setting, &error));
                    told.insert(setting);
                }
                self.refused
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(error.refusal().map(str::to_owned));
                spec = Cow::Owned(less);
                continue;
            }
            match fallback.take() {
                Some(next) if matches!(error, EngineError::PrivilegesRefused { .. }) => {
                    (self.report)(Event::PrivilegesRefused(&wanted.name, &error));
                    wanted = next;
                    spec = self.without_refused(next);
                }
                _ => return Err(error.into()),
            }
            self.go_on()?;
        }
    }

    /// The spec without what the engine has refused another container of this run.
    fn without_refused<'s>(&self, spec: &'s ContainerSpec) -> Cow<'s, ContainerSpec> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let less = |spec: Cow<'s, ContainerSpec>, words: &String| match spec.without_refused(words) {
            // What has a name is told of each container that goes without.
            Some((None, less)) => Cow::Owned(less),
            _ => spec,
        };
        refused.iter().fold(Cow::Borrowed(spec), less)
    }

    async fn create_and_start(&self, spec: &ContainerSpec) -> Result<Created, EngineError> {
        self.ledger.asked(&spec.name);
        let created = self.engine.create(spec).await;
        // A call that was given up or broke says nothing about what the engine does.
        if !matches!(created, Err(EngineError::Timeout { .. } | EngineError::Broken { .. })) {
            self.ledger.answered(&spec.name, created.as_ref().ok().map(|created| &created.id));
        }
        let created = created?;
        let id = &created.id;
        let started = async {
            let mut files = spec.files.iter().chain(&spec.note).peekable();
            if files.peek().is_some() {
                self.engine.upload(id, files::archive(files)).await?;
            }
            self.engine.start(id).await
        };
        match started.await {
            Ok(()) => Ok(created),
            Err(error) => {
                // Its name must be free for the fallback. Should this fail, the ledger
                // still has it.
                if self.engine.remove(id).await.is_ok() {
                    self.ledger.forget(id);
                }
                Err(error.about(&spec.name))
            }
        }
    }
}
