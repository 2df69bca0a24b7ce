//! The volumes that the engine has.

use std::collections::BTreeMap;

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptions, RemoveVolumeOptions};

use super::SLOW;
use crate::desired::VolumeName;
use crate::engine::Result;
use crate::engine::contact::{Contact, operation};
use crate::engine::request::{found, has, in_path, label_filters};
use crate::spec::VolumeSpec;

pub(super) async fn exists(contact: &Contact, name: &VolumeName) -> Result<bool> {
    let inspecting = operation("inspect volume", &name.0);
    let path = in_path(&inspecting, &name.0)?;
    let answer = contact.ask(inspecting, contact.client().await?.inspect_volume(path)).await;
    Ok(found(answer)?.is_some())
}

pub(super) async fn all(contact: &Contact, labels: &BTreeMap<String, String>) -> Result<Vec<VolumeName>> {
    let options = ListVolumesOptions { filters: Some(label_filters(labels)) };
    let listing = contact.client().await?.list_volumes(Some(options));
    let listed = contact.ask(operation("list volumes", ""), listing).await?;
    let listed = listed.answer.volumes.into_iter().flatten();
    let ours = listed.filter(|volume| has(|name| volume.labels.get(name), labels));
    Ok(ours.map(|volume| VolumeName(volume.name)).collect())
}

pub(super) async fn create(contact: &Contact, spec: &VolumeSpec) -> Result<()> {
    let request = VolumeCreateRequest {
        name: Some(spec.name.0.clone()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        ..VolumeCreateRequest::default()
    };
    let creating = contact.client().await?.create_volume(request);
    contact.call(operation("create volume", &spec.name.0), SLOW, creating).await.map(drop)
}

pub(super) async fn remove(contact: &Contact, name: &VolumeName) -> Result<()> {
    let removing = operation("remove volume", &name.0);
    let path = in_path(&removing, &name.0)?;
    let answer = contact.client().await?.remove_volume(path, None::<RemoveVolumeOptions>);
    found(contact.call(removing, SLOW, answer).await).map(drop)
}
