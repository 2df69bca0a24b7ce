//! What a dialer and those who ask it read of each other: nothing but what each writes.

#![no_main]

use assemble_proxy::dialer::{MOST, Order, Reply, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    if let Ok(request) = Request::decode(packet) {
        assert_eq!(request.encode(), packet);
        match request {
            Request::Dial(port) => assert_ne!(port, 0),
            Request::Sockets(Order { to, count }) => assert!(to.port != 0 && (1..=MOST).contains(&count)),
            Request::Health(_) => {}
        }
    }
    if let Ok((talk, reply)) = Reply::decode(packet) {
        assert_eq!(reply.encode(talk), packet);
    }
});
