//! Files on their way into a container.

use std::collections::BTreeSet;

use bytes::Bytes;
use tar::{Builder, EntryType, Header};

use crate::desired::File;

/// An archive of these files, to be unpacked at the container's root. Directories below the
/// first one are in it, open to everybody: a daemon without root could not read them otherwise.
pub(super) fn archive<'a>(files: impl IntoIterator<Item = &'a File>) -> Bytes {
    let files: Vec<_> = files.into_iter().collect();
    let mut builder = Builder::new(Vec::new());
    let mut add = |kind, path: &str, content: &[u8], mode| {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        // Memory never fails to be written, and our names are short.
        builder.append_data(&mut header, path, content).expect("a tar archive in memory");
    };
    let directories: BTreeSet<String> = files.iter().flat_map(|file| directories(&file.path)).collect();
    for directory in directories {
        add(EntryType::Directory, &directory, &[], 0o755);
    }
    for file in files {
        add(EntryType::Regular, file.path.trim_start_matches('/'), file.content.as_bytes(), 0o644);
    }
    builder.into_inner().expect("a tar archive in memory").into()
}

/// The directories above a path, without the root and the one in it, which belongs to the image.
fn directories(path: &str) -> impl Iterator<Item = String> {
    let path = path.trim_start_matches('/');
    path.match_indices('/').skip(1).map(|(at, _)| path[..=at].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_before_their_files() {
        let file = |path: &str| File { path: path.to_owned(), content: "x".to_owned() };
        let bytes = archive(&[file("/etc/b/c.toml"), file("/etc/b/d/1.pem")]);
        let mut archive = tar::Archive::new(&bytes[..]);
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let mode = entry.header().mode().unwrap();
                format!("{} {mode:o}", entry.path().unwrap().display())
            })
            .collect();
        assert_eq!(names, ["etc/b/ 755", "etc/b/d/ 755", "etc/b/c.toml 644", "etc/b/d/1.pem 644"]);
    }
}
