//! Kernels and policies that deny splicing: nothing changes but the path of the bytes.

use assemble_proxy::config::Engine;
use nix::libc::{EMFILE, ENOSYS, EPERM};

use crate::denial::Denial;
use crate::peers::MIB;
use crate::relay::{Near, Pair, Setup};
use crate::{bytes, half_close, resets};

/// The contract that holds whatever the kernel denies. Cases that mostly wait are left out.
const CONTRACT: [fn(Setup); 11] = [
    half_close::a_half_close_keeps_the_answer_flowing::case,
    half_close::after_a_half_close_the_other_direction_carries_a_stream::case,
    half_close::simultaneous_ends_reach_both_peers::case,
    half_close::the_tail_of_a_stream_comes_before_its_end::case,
    resets::a_reset_mid_stream_is_passed_on::case,
    resets::bytes_received_before_a_reset_are_delivered::case,
    resets::a_reset_after_the_end_of_stream_is_passed_on::case,
    bytes::two_streams_at_once_arrive_unharmed::case,
    bytes::messages_of_awkward_sizes_are_exact::case,
    bytes::urgent_data_goes_in_line::case,
    bytes::urgent_data_does_not_hide_the_end::case,
];

fn contract_holds_without(denial: Denial) {
    for (engine, near) in [(Engine::Auto, Near::Client), (Engine::Splice, Near::Server)] {
        for case in CONTRACT {
            case(Setup::new(engine, near).denying(denial));
        }
        let Pair { mut near, mut far, relay } = Setup::new(engine, near).denying(denial).open();
        bytes::both_ways(&mut near, &mut far, MIB);
        relay.wait_for_closed(1, std::time::Duration::from_secs(1));
        assert!(relay.stats().fallbacks.get() > 0, "nothing was denied");
    }
}

/// A policy that forbids splice(2).
#[test]
fn a_forbidden_splice_changes_nothing() {
    contract_holds_without(Denial::splice(EPERM));
}

/// A kernel, or an emulation of one, without splice(2).
#[test]
fn a_missing_splice_changes_nothing() {
    contract_holds_without(Denial::splice(ENOSYS));
}

/// A policy that forbids pipes.
#[test]
fn forbidden_pipes_change_nothing() {
    contract_holds_without(Denial::pipe(EPERM));
}

/// A process whose descriptors are used up.
#[test]
fn a_lack_of_descriptors_for_pipes_changes_nothing() {
    contract_holds_without(Denial::pipe(EMFILE));
}
