//! The user's forwards with some ports leading elsewhere.

use crate::desired::Ports;
use crate::forward::Forward;

/// These forwards, but for the ports of `changes`, which lead where those say. What goes on leading to the
/// same stays one forward, as each takes a container; two forwards of the user's stay two.
pub(super) fn mended(forwards: &[Forward], changes: &[Forward]) -> Vec<Forward> {
    let mut all: Vec<Forward> = forwards
        .iter()
        .flat_map(|forward| {
            let rest = changes.iter().fold(vec![forward.clone()], |rest, change| {
                rest.iter().flat_map(|part| part.without(change.ports)).collect()
            });
            let own =
                changes.iter().filter(|change| forward.ports.common(change.ports) == Some(change.ports));
            joined(rest.into_iter().chain(own.cloned()).collect())
        })
        .collect();
    // A sidecar that is not wanted any more.
    let apart = |change: &&Forward| all.iter().all(|forward| !forward.ports.overlaps(change.ports));
    let apart: Vec<_> = changes.iter().filter(apart).cloned().collect();
    all.extend(apart);
    all.sort();
    all
}

/// The parts of one forward, with those as one that lead on in step.
fn joined(mut parts: Vec<Forward>) -> Vec<Forward> {
    parts.sort();
    parts.into_iter().fold(Vec::new(), |mut rows: Vec<Forward>, part| {
        let whole = rows.last().and_then(|row| {
            let ports = Ports::new(row.ports.first(), part.ports.last())?;
            let whole = Forward { ports, target: row.target.clone() };
            (whole.part(part.ports).as_ref() == Some(&part)).then_some(whole)
        });
        match (whole, rows.last_mut()) {
            (Some(whole), Some(row)) => *row = whole,
            _ => rows.push(part),
        }
        rows
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::asked::Asked;
    use crate::forward::{Target, lists};

    fn ports(text: &str) -> Ports {
        text.parse().unwrap()
    }

    fn loopback(text: &str) -> Forward {
        Forward { ports: ports(text), target: Target::Loopback { port: ports(text).first() } }
    }

    fn words(forwards: &[Forward]) -> String {
        lists(&forwards.iter().map(Asked::from).collect::<Vec<_>>()).0
    }

    #[test]
    fn ports_that_lead_elsewhere_leave_the_rest_of_their_range_as_it_is() {
        let forwards = [Forward::plain(ports("5000")), Forward::plain(ports("8000-8099"))];
        let changed = |changes: &[&str]| {
            let changes: Vec<_> = changes.iter().map(|ports| loopback(ports)).collect();
            let once = mended(&forwards, &changes);
            assert_eq!(mended(&once, &changes), once, "twice is once");
            words(&once)
        };
        assert_eq!(changed(&[]), "5000,8000-8099");
        assert_eq!(changed(&["8003"]), "5000,8000-8002,8003@loopback,8004-8099");
        assert_eq!(changed(&["5000", "8000-8099"]), "5000@loopback,8000-8099@loopback");
        // What two findings change in the same way stays one.
        assert_eq!(
            changed(&["8004-8099", "8003", "8000"]),
            "5000,8000@loopback,8001-8002,8003-8099@loopback"
        );
        assert_eq!(changed(&["7000"]), "5000,7000@loopback,8000-8099");
    }

    #[test]
    fn forwards_of_the_users_are_not_made_one() {
        let forwards = ["8000", "8001"].map(|it| Forward::plain(ports(it)));
        assert_eq!(words(&mended(&forwards, &[])), "8000,8001");
        let changes = ["8000", "8001"].map(loopback);
        assert_eq!(words(&mended(&forwards, &changes)), "8000@loopback,8001@loopback");
    }
}
