//! What comes from the status socket, which anybody may have taken first: it is a status that
//! says the same when it is written again, or it is refused.

#![no_main]

use assemble_proxy::probe::classify;
use assemble_proxy::status::{SERVES, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = classify(bytes, bytes.len().is_multiple_of(2));
    for answer in [bytes.to_vec(), [SERVES, bytes].concat()] {
        let Ok(told) = read(&answer) else { continue };
        assert!(answer.starts_with(SERVES));
        assert_ne!(told.target.port, 0);
        let again = serde_json::to_vec(&told.object).expect("what was read can be written");
        assert_eq!(read(&[SERVES, &again].concat()), Ok(told));
    }
});
