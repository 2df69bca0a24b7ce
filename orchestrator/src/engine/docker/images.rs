//! The images that the engine has, and those that are sent to it.

use bollard::query_parameters::{ImportImageOptions, ListImagesOptions};
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::SLOW;
use crate::desired::ImageRef;
use crate::engine::contact::{Contact, operation};
use crate::engine::request::{found, in_path};
use crate::engine::{Image, Result, answered, failure};

pub(super) async fn find(contact: &Contact, image: &ImageRef) -> Result<Option<Image>> {
    let inspecting = operation("inspect image", &image.0);
    let name = in_path(&inspecting, &image.0)?;
    let answer = contact.ask(inspecting, contact.client().await?.inspect_image(name)).await;
    Ok(found(answer)?.map(|told| answered::image(told.answer)))
}

pub(super) async fn load(contact: &Contact, archive: Bytes) -> Result<()> {
    let options = ImportImageOptions { quiet: true, ..ImportImageOptions::default() };
    let body = bollard::body_full(archive);
    let steps = contact.client().await?.import_image(options, body, None);
    let loading = steps.try_for_each(|_| async { Ok(()) });
    contact.call(operation(failure::LOAD, ""), SLOW, loading).await
}

pub(super) async fn all(contact: &Contact) -> Result<Vec<ImageRef>> {
    let listing = contact.client().await?.list_images(None::<ListImagesOptions>);
    let listed = contact.ask(operation("list images", ""), listing).await?;
    let names = listed.answer.into_iter().flat_map(|image| image.repo_tags);
    Ok(names.filter(|name| !name.contains("<none>")).map(ImageRef).collect())
}
