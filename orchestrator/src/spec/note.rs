//! What a backend is told of its forwards, for later commands to read: a sidecar that somebody
//! removed leaves no other trace.
//!
//! A label would not do. It is fixed when the container is made, and forwards change while it
//! runs.

use super::NOTE_FILE;
use crate::desired::{File, Ports};
use crate::forward::Forward;

/// The note about these forwards: a line for each, its ports and the target as labels have it.
#[must_use]
pub fn note<'a>(forwards: impl IntoIterator<Item = &'a Forward>) -> File {
    let line = |forward: &Forward| format!("{} {}\n", forward.ports, forward.label());
    File { path: NOTE_FILE.to_owned(), content: forwards.into_iter().map(line).collect() }
}

/// Reads what [`note`] wrote, in the order of the ports. Lines of other versions are passed over.
#[must_use]
pub fn noted(text: &str) -> Vec<Forward> {
    let read = |line: &str| {
        let (ports, label) = line.split_once(' ')?;
        // It comes out of a container in which builds run, and goes to terminals.
        let plain = label.bytes().all(|byte| byte.is_ascii_graphic());
        Forward::from_label(ports.parse::<Ports>().ok()?, label).filter(|_| plain)
    };
    let mut forwards: Vec<_> = text.lines().filter_map(read).collect();
    forwards.sort();
    // In this order whatever shares a port with an earlier one shares one with the last that is kept.
    forwards.dedup_by(|next, kept| next.ports.overlaps(kept.ports));
    forwards
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::REGISTRY_PORT;
    use crate::forward::Target;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let port = |number| assemble_contract::Port::new(number).unwrap();
        let host = Target::Host { name: "db".to_owned(), addr: [192, 0, 2, 7].into(), port: port(5432) };
        let forwards = [
            Forward { ports: port(80).into(), target: Target::Loopback { port: port(8080) } },
            Forward::plain(port(5000)),
            Forward { ports: port(5432).into(), target: host },
            Forward::from_label("8000-8099".parse::<Ports>().unwrap(), "loopback:9000").unwrap(),
        ];
        let note = note(&forwards);
        assert_eq!(
            note.content,
            "80 loopback:8080\n5000 gateway\n5432 db=192.0.2.7:5432\n8000-8099 loopback:9000\n"
        );
        assert_eq!(noted(&note.content), forwards);
        assert_eq!(super::note(&[]).content, "");
    }

    #[test]
    fn what_is_no_note_is_passed_over() {
        let text = "\n5000\n0 gateway\n5000 gateway\n5000 loopback\n80 \u{1b}[2J=192.0.2.7:1\n81 elsewhere\n\
                    4990-5010 gateway\n5005-5020 gateway\n5011 gateway\n9-8 gateway\n65000-65001 gateway:65535\n";
        let ports = |text: &str| text.parse::<Ports>().unwrap();
        assert_eq!(noted(text), [ports("4990-5010"), ports("5011")].map(Forward::plain));
        assert_eq!(noted("5000 gateway\n5000 loopback\n"), [Forward::plain(REGISTRY_PORT)]);
    }
}
