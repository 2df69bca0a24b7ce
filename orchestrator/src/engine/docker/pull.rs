//! A pull: the name of an image taken apart, and who asks for it.

use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::CreateImageOptions;
use docker_plugin::reference::Reference;
use futures_util::TryStreamExt;

use super::DockerEngine;
use crate::desired::ImageRef;
use crate::engine::contact::{never_empty, operation};
use crate::engine::{EngineError, EngineStream, PullProgress, answered, convert, failure};

/// How long a pull may show no progress. A registry that sends nothing holds it up without a word,
/// and unpacking a large layer on a slow disk is told only now and then.
const PULL_SILENCE: Duration = Duration::from_secs(300);

impl DockerEngine {
    pub(super) fn pulling(&self, image: &ImageRef) -> EngineStream<PullProgress> {
        let pulling = operation(failure::PULL, &image.0);
        let (inner, image, refused) = (Arc::clone(&self.0), image.clone(), pulling.clone());
        let open = async move {
            let Some(name) = Reference::parse(&image.0) else {
                let message = "this is not the name of an image".to_owned();
                return Err(EngineError::Refused { operation: refused, status: 400, message });
            };
            let docker = inner.contact.client().await?;
            let login = inner.credentials.find(name.credentials_key()).await.map(convert::credentials);
            let options = CreateImageOptions {
                from_image: Some(name.name()),
                tag: Some(name.tag_or_digest),
                ..CreateImageOptions::default()
            };
            Ok(docker.create_image(Some(options), None, login).map_ok(answered::progress))
        };
        let steps = self.0.contact.stream(pulling.clone(), Some(PULL_SILENCE), open);
        never_empty(steps, pulling)
    }
}
