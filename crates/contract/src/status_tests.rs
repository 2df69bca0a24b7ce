use super::*;

const WHOLE: &str = concat!(
    r#"{"accept_pauses":6,"active":1,"addrs":["172.17.0.1:5000"],"bytes_down":20,"bytes_up":10,"#,
    r#""capacity":9976,"dialer":"/run/d.sock","failed":{"refused":2,"reset":1},"fallback":"192.0.2.7","#,
    r#""kernel":{"pipe_user_pages_soft":16384,"ports":55001,"time_wait":null},"#,
    r#""last_error":{"age_ms":4,"reason":"refused","text":"no"},"opened":7,"#,
    r#""probe":{"addrs":["192.0.2.8:5000"],"latency_us":90,"result":"accepted","#,
    r#""speaks":{"protocol":"http","registry":true,"status":200},"text":null},"#,
    r#""resolved":true,"splice_fallbacks":3,"target":"gateway:5000","version":"0.1.0"}"#
);

/// The literal text: what is changed here, a plugin or a sidecar of another version misses.
#[test]
fn a_whole_status_is_written_as_it_was_read() {
    let status: Status = serde_json::from_str(WHOLE).unwrap();
    assert_eq!(status.object().to_string(), WHOLE);
    assert_eq!(status.addr(), Some([192, 0, 2, 8].into()));
    assert_eq!((status.failures(), status.failed_by(FailureReason::Reset)), (3, 1));
    // So it is without the map between, which sorts the names unless it is told otherwise.
    assert_eq!(serde_json::to_string(&status).unwrap(), WHOLE);
}

#[test]
fn what_the_relay_does_not_know_it_does_not_say() {
    let said = Status::default().object().to_string();
    assert_eq!(
        said,
        concat!(
            r#"{"accept_pauses":0,"active":0,"addrs":[],"bytes_down":0,"bytes_up":0,"capacity":null,"#,
            r#""dialer":null,"failed":{},"fallback":null,"last_error":null,"opened":0,"resolved":null,"#,
            r#""splice_fallbacks":0,"target":"","version":""}"#
        )
    );
}

#[test]
fn a_port_of_a_range_says_what_there_is_to_say() {
    let quiet = PortStatus { opened: 1, port: 8000, ..PortStatus::default() };
    let failed = PortStatus {
        failed: [("refused".to_owned(), 1)].into(),
        last_error: Some(LastError { age_ms: 4, reason: "refused".to_owned(), text: "no".to_owned() }),
        probe: Some(Probe { result: Outcome::Accepted, ..Probe::default() }),
        ..PortStatus { port: 8001, ..quiet.clone() }
    };
    let status = Status { ports: vec![quiet, failed], ..Status::default() };
    let text = status.object()["ports"].to_string();
    assert_eq!(
        text,
        concat!(
            r#"[{"active":0,"bytes_down":0,"bytes_up":0,"opened":1,"port":8000},"#,
            r#"{"active":0,"bytes_down":0,"bytes_up":0,"failed":{"refused":1},"#,
            r#""last_error":{"age_ms":4,"reason":"refused","text":"no"},"opened":1,"port":8001,"#,
            r#""probe":{"addrs":[],"latency_us":0,"result":"accepted","speaks":null,"text":null}}]"#
        )
    );
    assert_eq!(serde_json::from_str::<Status>(&status.object().to_string()).unwrap(), status);
    assert_eq!(serde_json::to_string(&status.ports).unwrap(), text);
}

#[test]
fn words_of_a_later_version_do_no_harm() {
    let text =
        r#"{"target":"x","news":1,"probe":{"result":"melted","speaks":{"protocol":"gopher","hole":7}}}"#;
    let status: Status = serde_json::from_str(text).unwrap();
    assert_eq!(status.target(), None);
    let probe = status.probe.unwrap();
    assert_eq!((probe.result, probe.speaks), (Outcome::Unknown, Some(Speaks::Other)));
}

#[test]
fn what_no_relay_of_these_ports_tells_is_dropped() {
    let told = |port| PortStatus { port, probe: Some(Probe::default()), ..PortStatus::default() };
    let status = Status {
        probe: Some(Probe::default()),
        kernel: Some(Kernel::default()),
        ports: [8001, 7999, 8000, 8001, 0].map(told).to_vec(),
        ..Status::default()
    };
    let of = |ports: &str| status.clone().claimed_by(ports.parse().unwrap());
    let known = |port| PortStatus { port, ..PortStatus::default() };
    assert_eq!(of("8000-8001"), Status { ports: [8000, 8001].map(known).to_vec(), ..Status::default() });
    assert_eq!(of("8000"), Status::default());
}

#[test]
fn every_protocol_has_its_object() {
    let written = |speaks: Speaks| serde_json::to_string(&speaks).unwrap();
    for (speaks, text) in [
        (Speaks::Tls, r#"{"protocol":"tls"}"#),
        (Speaks::Closed, r#"{"protocol":"closed"}"#),
        (Speaks::Silent, r#"{"protocol":"silent"}"#),
        (Speaks::Other, r#"{"protocol":"other"}"#),
        (
            Speaks::Http { registry: false, status: 404 },
            r#"{"protocol":"http","registry":false,"status":404}"#,
        ),
    ] {
        assert_eq!(written(speaks), text);
        assert_eq!(serde_json::from_str::<Speaks>(text).unwrap(), speaks);
    }
}
