//! What comes from the status socket, which anybody may have taken first: it is a status that
//! says the same when it is written again, or it is refused.

#![no_main]

use assemble_contract::answer::{SERVES, read, write};
use assemble_proxy::probe::classify;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = classify(bytes, bytes.len().is_multiple_of(2));
    for answer in [bytes.to_vec(), [SERVES, bytes].concat()] {
        let Ok(status) = read(&answer) else { continue };
        assert!(answer.starts_with(SERVES));
        assert_eq!(read(&write(&status)), Ok(status));
    }
});
