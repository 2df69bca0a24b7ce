//! Images that have to come first.

use super::PlanError;
use super::action::Action;
use crate::desired::{Desired, ImageRef, ProxyImage, PullPolicy};
use crate::observed::Observed;

pub(super) fn need_image(
    image: &ImageRef,
    pull: PullPolicy,
    observed: &Observed,
) -> Result<Option<Action>, PlanError> {
    let here = observed.images.contains_key(image);
    match pull {
        _ if here => Ok(None),
        PullPolicy::Never => Err(PlanError::NoImage { image: image.clone() }),
        PullPolicy::Missing | PullPolicy::Always => {
            Ok(Some(Action::Pull { image: image.clone(), fallback: false }))
        }
    }
}

pub(super) fn need_proxy_image(desired: &Desired, observed: &Observed) -> Result<Option<Action>, PlanError> {
    match &desired.proxy_image {
        ProxyImage::Custom(image) => need_image(image, desired.pull, observed),
        ProxyImage::BuiltIn { arch, .. } if *arch != observed.arch => {
            Err(PlanError::Architecture { built_in: arch.clone(), engine: observed.arch.clone() })
        }
        ProxyImage::BuiltIn { image, .. } if observed.images.contains_key(image) => Ok(None),
        ProxyImage::BuiltIn { image, .. } => Ok(Some(Action::LoadProxyImage { image: image.clone() })),
    }
}
