//! The ports a dialer may dial: those that are written, and no others.

#![no_main]

use assemble_contract::AllowList;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(list) = text.parse::<AllowList>() else { return assert_eq!(model(text), None) };
    let model = model(text).expect("what is no list is not read as one");
    assert!((0..=u16::MAX).all(|port| list.allows(port) == model[usize::from(port)]));
    assert_eq!(list.to_string().parse(), Ok(list));
});

/// Which ports are on the list.
fn model(text: &str) -> Option<Vec<bool>> {
    let mut allowed = vec![false; 65_536];
    for word in text.split(',') {
        let bounds: Vec<usize> = word.split('-').map(number).collect::<Option<_>>()?;
        let (first, last) = match bounds[..] {
            [port] => (port, port),
            [first, last] => (first, last),
            _ => return None,
        };
        if first < 1 || first > last {
            return None;
        }
        allowed[first..=last].fill(true);
    }
    Some(allowed)
}

fn number(text: &str) -> Option<usize> {
    let mut number = 0;
    for digit in text.chars() {
        number = number * 10 + usize::try_from(digit.to_digit(10)?).ok()?;
        if number > 65_535 {
            return None;
        }
    }
    (!text.is_empty()).then_some(number)
}
