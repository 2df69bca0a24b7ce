use super::*;
use crate::forward::{lists, merge};

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

/// The ports that stay, and those that come, as words.
fn changed(
    change: impl Fn(Vec<Asked>) -> Change,
    words: &str,
    forwards: &[Forward],
) -> Result<(String, String), ChangeError> {
    let asked = merge(Some(&asked::some(words).unwrap()), &[], false).unwrap();
    let Changed { kept, new, free } = change(asked).of(forwards.to_vec())?;
    if let Some(port) = free {
        assert_eq!((kept.as_slice(), new.len()), (forwards, 0));
        return Err(ChangeError::Free { port });
    }
    let words = |asked: &[Asked]| {
        let (ports, hosts) = lists(asked);
        [ports, hosts]
            .iter()
            .filter(|list| !["", "0"].contains(&list.as_str()))
            .cloned()
            .collect::<Vec<_>>()
            .join(",")
    };
    Ok((words(&kept.iter().map(Asked::from).collect::<Vec<_>>()), words(&new)))
}

fn forward(ports: &str, label: &str) -> Forward {
    Forward::from_label(ports.parse::<assemble_contract::Ports>().unwrap(), label).unwrap()
}

#[test]
fn what_is_added_leaves_the_rest() {
    let there = [forward("5000", "gateway"), forward("8080", "gateway:80")];
    let add = |words: &str| changed(Change::Add, words, &there);
    let both = |new: &str| Ok(("5000,8080:80".to_owned(), new.to_owned()));
    assert_eq!(add("6000"), both("6000"));
    assert_eq!(add("5000,8080:80,9000=db:1"), both("9000=db:1"));
    assert_eq!(add("4999-5001,8079-8081:79-81"), both("4999,5001,8079:79,8081:81"));
    let taken = ChangeError::Taken { port: port(8080), target: "port 80 of the host".to_owned() };
    assert_eq!(add("9000,8080"), Err(taken.clone()));
    assert_eq!(add("8000-8099"), Err(taken));
    let list = |count: u16| (6000..6000 + count).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(add(&list(126)), both(&list(126)));
    assert_eq!(add(&list(127)), Err(ChangeError::TooMany { many: 129 }));
    assert_eq!(add("10000-14093").unwrap().1, "10000-14093");
    assert_eq!(add("10000-14094"), Err(ChangeError::TooManyPorts { many: MOST_PORTS + 1 }));
}

#[test]
fn what_is_added_to_a_range_is_what_it_has_not() {
    let there = [forward("8000-8099", "loopback:9000")];
    let add = |words| changed(Change::Add, words, &there).map(|(_, new)| new);
    assert_eq!(add("8050:9050@loopback"), Ok(String::new()));
    assert_eq!(add("8090-8109:9090-9109@loopback,8110"), Ok("8100-8109:9100-9109@loopback,8110".to_owned()));
    let target = "port 9050 on the host's loopback".to_owned();
    assert_eq!(add("8050"), Err(ChangeError::Taken { port: port(8050), target }));
}

#[test]
fn what_is_removed_is_named_by_its_port_or_as_it_was_added() {
    let there = [forward("5000", "gateway"), forward("8080", "loopback:80")];
    let remove = |words| changed(Change::Remove, words, &there).map(|(kept, _)| kept);
    for words in ["8080", "8080:80@loopback"] {
        assert_eq!(remove(words).as_deref(), Ok("5000"), "{words}");
    }
    assert_eq!(remove("5000,8080").as_deref(), Ok(""));
    assert_eq!(remove("5000-5001"), Err(ChangeError::Free { port: port(5001) }));
    let target = "port 80 on the host's loopback".to_owned();
    assert_eq!(remove("8080:80"), Err(ChangeError::Other { port: port(8080), target }));
}

#[test]
fn a_range_is_divided_by_what_is_removed_from_it() {
    let there = [forward("8000-8099", "gateway:9000"), forward("8100", "gateway")];
    let remove = |words| changed(Change::Remove, words, &there).map(|(kept, _)| kept);
    assert_eq!(remove("8005").as_deref(), Ok("8000-8004:9000-9004,8006-8099:9006-9099,8100"));
    assert_eq!(
        remove("8005:9005,8007").as_deref(),
        Ok("8000-8004:9000-9004,8006:9006,8008-8099:9008-9099,8100")
    );
    assert_eq!(remove("8000,8098-8100").as_deref(), Ok("8001-8097:9001-9097"));
    assert_eq!(remove("8090-8101"), Err(ChangeError::Free { port: port(8101) }));
    let target = "port 9005 of the host".to_owned();
    assert_eq!(remove("8005:8005@loopback"), Err(ChangeError::Other { port: port(8005), target }));
    let full: Vec<_> =
        (1..128).map(|number| Forward::plain(port(number))).chain(there[..1].to_vec()).collect();
    assert_eq!(changed(Change::Remove, "8005", &full), Err(ChangeError::TooMany { many: 129 }));
}
