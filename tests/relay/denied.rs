//! Kernels and policies that deny splicing: nothing changes but the path of the bytes.

use std::process::Command;

use assemble_proxy::config::Engine;
use nix::libc::{EINVAL, EMFILE, ENFILE, ENOSYS, EPERM};

use crate::denial::Denial;
use crate::peers::MIB;
use crate::relay::{Near, Pair, Setup};
use crate::{bytes, dial, drain, half_close, resets, schedules};

/// The contract that holds whatever the kernel denies.
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

/// The other cases but those that mostly wait: tried with one denial of each kind.
const REST: [fn(Setup); 16] = [
    half_close::an_empty_stream_ends_in_good_order::case,
    half_close::whoever_speaks_first_is_heard::case,
    resets::bytes_held_for_a_slow_reader_outlive_a_reset::case,
    resets::bytes_beyond_the_readers_window_outlive_a_reset::case,
    resets::a_close_with_unread_bytes_is_a_reset::case,
    resets::a_writer_learns_that_the_other_peer_has_closed::case,
    bytes::requests_and_answers_of_random_sizes_are_exact::case,
    bytes::changes_of_pace_lose_nothing::case,
    bytes::a_silent_reader_blocks_the_writer::case,
    bytes::urgent_data_does_not_stop_a_stream::case,
    bytes::no_byte_of_a_broken_connection_reaches_another::case,
    dial::a_refusal_is_a_reset::case,
    dial::last_words_of_a_target_that_resets_at_once_are_heard::case,
    drain::a_transfer_finishes_although_the_relay_stops::case,
    drain::a_connection_that_outlives_the_grace_period_is_reset::case,
    schedules::any_conversation_is_relayed_faithfully::case,
];

fn contract_holds_without(denial: Denial) {
    for (engine, near) in [(Engine::Auto, Near::Client), (Engine::Splice, Near::Server)] {
        for case in CONTRACT {
            case(Setup::new(engine, near).denying(denial));
        }
        let Pair { mut near, mut far, relay } = Setup::new(engine, near).denying(denial).open();
        bytes::both_ways(&mut near, &mut far, MIB);
        relay.wait_for_closed(1);
        assert!(relay.stats().fallbacks.get() > 0, "nothing was denied");
    }
}

fn the_rest_holds_without(denial: Denial) {
    for (engine, near) in [(Engine::Auto, Near::Server), (Engine::Splice, Near::Client)] {
        for case in REST {
            case(Setup::new(engine, near).denying(denial));
        }
    }
}

/// A policy that forbids splice(2).
#[test]
fn a_forbidden_splice_changes_nothing() {
    contract_holds_without(Denial::splice(EPERM));
}

#[test]
fn a_forbidden_splice_changes_nothing_else() {
    the_rest_holds_without(Denial::splice(EPERM));
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

#[test]
fn forbidden_pipes_change_nothing_else() {
    the_rest_holds_without(Denial::pipe(EPERM));
}

/// A kernel that cannot splice these sockets.
#[test]
fn an_unfit_socket_changes_nothing() {
    contract_holds_without(Denial::splice(EINVAL));
}

/// A process whose descriptors are used up.
#[test]
fn a_lack_of_descriptors_for_pipes_changes_nothing() {
    contract_holds_without(Denial::pipe(EMFILE));
}

/// A host whose descriptors are used up.
#[test]
fn a_host_without_descriptors_for_pipes_changes_nothing() {
    contract_holds_without(Denial::pipe(ENFILE));
}

/// Everything that is tested of the relay holds where splice(2) is forbidden or missing.
#[test]
#[ignore = "long: make soak"]
fn nothing_else_changes_where_splice_is_denied() {
    /// What is about pipes and splicing themselves.
    const ABOUT_SPLICING: [&str; 5] = [
        "bytes_take_the_path_of_their_engine",
        "small_pipes_carry_streams",
        "big_pipes_carry_streams",
        "a_quota_of_pipes_used_up_by_others_slows_only",
        "a_connection_that_is_complete_says_how_it_went",
    ];
    for errno in [EPERM, ENOSYS] {
        // The filter binds whatever this thread starts.
        let suite = std::thread::spawn(move || {
            Denial::splice(errno).impose();
            let mut suite = Command::new(std::env::current_exe().unwrap());
            suite.args(ABOUT_SPLICING.map(|name| ["--skip", name]).as_flattened());
            suite.output().unwrap()
        });
        let suite = suite.join().unwrap();
        let words = String::from_utf8_lossy(&suite.stdout);
        assert!(suite.status.success(), "errno {errno}:\n{words}");
    }
}
