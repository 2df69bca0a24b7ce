//! The users that containers run as, where the engine shifts the ids of those in images (`userns-remap`).

use super::EngineFacts;

/// Whether the engine runs containers in a user namespace of their own (`userns-remap`).
///
/// There the builder must be put back into the host's, or it could mount nothing; and the
/// sidecars with it, since a network namespace can be joined only from the user namespace that
/// owns it.
pub(super) fn are_remapped(facts: &EngineFacts) -> bool {
    facts.security_options.iter().any(|option| option == "name=userns")
}

/// The user, `uid:gid`, to whom the files of images belong that are this one's, on an engine that
/// [remaps users](are_remapped); none on others. In the host's namespace no other may write to them, nor to
/// a volume that takes its owner from an image.
///
/// The engine shifts ids by those of its root, unless the user it remaps to has several ranges of them in
/// `/etc/subuid` and the first is shorter.
pub(super) fn shifted(user: &str, facts: &EngineFacts) -> Option<String> {
    let (_, ids) = facts.directory.rsplit_once('/').filter(|_| are_remapped(facts))?;
    let shift = |id: &str, by: &str| id.parse::<u32>().ok()?.checked_add(by.parse().ok()?);
    let ((user, group), (users, groups)) = (user.split_once(':')?, ids.split_once('.')?);
    Some(format!("{}:{}", shift(user, users)?, shift(group, groups)?))
}
