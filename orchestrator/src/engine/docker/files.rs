//! Files of a container, as archives (tar).

use std::io;

use bollard::query_parameters::{DownloadFromContainerOptions, UploadToContainerOptions};
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::SLOW;
use crate::engine::contact::{Contact, operation};
use crate::engine::request::{found, in_path};
use crate::engine::{EngineError, Result, answered};
use crate::observed::ContainerId;

/// The largest archive with a file that is read, in bytes: one of ours takes some hundred.
const FILE_BYTES: usize = 1 << 20;

pub(super) async fn upload(contact: &Contact, id: &ContainerId, archive: Bytes) -> Result<()> {
    let uploading = operation("put files into container", id.short());
    let path = in_path(&uploading, &id.0)?;
    let options = UploadToContainerOptions { path: "/".to_owned(), ..UploadToContainerOptions::default() };
    let body = bollard::body_full(archive);
    let docker = contact.client().await?;
    contact.call(uploading, SLOW, docker.upload_to_container(path, Some(options), body)).await
}

pub(super) async fn read(contact: &Contact, id: &ContainerId, path: &str) -> Result<Option<Bytes>> {
    let reading = operation("read a file of container", id.short());
    let name = in_path(&reading, &id.0)?;
    let options = DownloadFromContainerOptions { path: path.to_owned() };
    let answer = contact.client().await?.download_from_container(name, Some(options));
    let collecting = answer.try_fold(Vec::new(), |mut all, bytes| async move {
        all.extend_from_slice(&bytes);
        if all.len() > FILE_BYTES {
            Err(io::Error::from(io::ErrorKind::FileTooLarge).into())
        } else {
            Ok(all)
        }
    });
    let archive = found(contact.call(reading.clone(), contact.usual(), collecting).await)?;
    let first = archive.map(|archive| answered::first_file(&archive)).transpose();
    first.map_err(|error| EngineError::Broken { operation: reading, source: error.into() })
}
