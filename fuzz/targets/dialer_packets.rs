//! What a dialer and those who ask it read of each other: nothing but what each writes.

#![no_main]

use assemble_proxy::dialer::{Reply, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    if let Ok(request) = Request::decode(packet) {
        assert_ne!(request, Request::Dial(0));
        assert_eq!(request.encode(), packet);
    }
    if let Ok(reply) = Reply::decode(packet) {
        assert_eq!(reply.encode(), packet);
    }
});
