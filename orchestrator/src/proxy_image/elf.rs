//! What a program says of itself: elf(5).

/// What a program runs on, read from its header: `e_machine` of elf(5), numbers from elf.h.
pub(super) fn arch(elf: &[u8]) -> &'static str {
    if elf.len() < 20 || elf[0] != 0x7f || elf[1] != b'E' || elf[2] != b'L' || elf[3] != b'F' {
        return "unknown";
    }
    let little = elf[5] == 1;
    let machine = if little { [elf[18], elf[19]] } else { [elf[19], elf[18]] };
    match (u16::from_le_bytes(machine), little) {
        (3, _) => "386",
        (21, true) => "ppc64le",
        (22, _) => "s390x",
        (40, _) => "arm",
        (62, _) => "amd64",
        (183, true) => "arm64",
        (243, _) => "riscv64",
        (258, _) => "loong64",
        _ => "unknown",
    }
}

/// The beginning of a program for a machine.
#[cfg(test)]
pub(super) fn elf(machine: u8) -> Vec<u8> {
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1];
    elf.resize(18, 0);
    elf.extend([machine, 0]);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_tell_what_they_run_on() {
        assert_eq!((arch(&elf(62)), arch(&elf(183))), ("amd64", "arm64"));
        assert_eq!((arch(b"#!/bin/sh"), arch(&elf(1))), ("unknown", "unknown"));
        let big_s390x = [vec![0x7f, b'E', b'L', b'F', 2, 2], vec![0; 12], vec![0, 22]].concat();
        assert_eq!(arch(&big_s390x), "s390x");
    }
}
