//! What a dialer and those who ask it read of each other: nothing but what each writes.

#![no_main]

use assemble_proxy::dialer::{Reply, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    if let Ok((number, request)) = Request::decode(packet) {
        assert_ne!(request, Request::Dial(0));
        match number {
            Some(number) => assert_eq!(&request.numbered(number), packet),
            None => assert_eq!(&request.encode(), packet),
        }
    }
    if let Ok((number, reply)) = Reply::decode(packet) {
        match number {
            Some(number) => assert_eq!(&reply.numbered(number), packet),
            None => assert_eq!(&reply.encode(), packet),
        }
    }
});
