//! What a dialer and those who ask it read of each other: nothing but what each writes.

#![no_main]

use assemble_proxy::dialer::{Reply, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    if let Ok(requests) = Request::decode(packet) {
        assert!(requests.iter().all(|(_, request)| *request != Request::Dial(0)));
        assert_eq!(Request::packet(&requests), packet);
    }
    if let Ok(replies) = Reply::decode(packet) {
        assert_eq!(Reply::packet(&replies), packet);
    }
});
