//! What becomes of a channel between relay and dialer where the kernel has no room for what goes over it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::dialer::{
    CONNECTED, DialerProcess, FAILED, HEALTHY, HELLO, Hostile, Impostor, connected, numbered, refused,
    together,
};
use crate::dialer_world::{FAILED_BY_DIALER, RESET, World, expect_no_leak, sockets};
use crate::peers::peers;
use crate::process::BINARY;
use crate::procfs::is_idle;
use crate::sockets::{PATIENCE, accept, eventually, read_all};

/// How many descriptors a process may have.
fn limit(pid: u32, most: u64) {
    let pid = Pid::from_raw(pid.try_into().unwrap());
    prlimit(
        pid,
        Resource::Nofile,
        Rlimit { current: Some(most), maximum: getrlimit(Resource::Nofile).maximum },
    )
    .unwrap();
}

/// A relay that has no descriptor for what it is handed (`MSG_CTRUNC` of recvmsg(2)) resets the clients that it
/// was for, and has the next one served over the same channel.
#[test]
fn connections_that_a_relay_has_no_descriptors_for_fail_and_no_others() {
    let world = World::new();
    let dialer = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let target = world.host.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, relay.port())).unwrap());
    let connection = || world.host.run(|| TcpStream::connect(target.local_addr().unwrap()).unwrap());
    let mut clients = vec![relay.connect()];
    let (channel, first) = dialer.accept_channel();
    clients.extend((0..16).map(|_| relay.connect()));
    let numbers: Vec<_> = (first..first + 17).collect();
    for number in &numbers[1..] {
        assert_eq!(channel.hear(), Some(numbered(*number, relay.port())));
    }

    let open = std::fs::read_dir(format!("/proc/{}/fd", relay.pid())).unwrap().count();
    limit(relay.pid(), u64::try_from(open).unwrap());
    let made: Vec<_> = (0..16).map(|_| connection()).collect();
    let answers: Vec<_> = numbers[..16].iter().map(|number| connected(*number)).collect();
    channel.say(&together(&answers), &made.iter().map(AsFd::as_fd).collect::<Vec<_>>());
    drop(made);
    let last = clients.pop().unwrap();
    for client in &clients {
        assert_eq!(read_all(client), RESET);
    }
    eventually("they are counted", PATIENCE, || {
        relay.metric(r#"connections_failed_total{reason="descriptors"}"#) == 16
    });
    // Nobody has the connections any more.
    (0..16).for_each(|_| drop(read_all(&accept(&target))));

    channel.say(&connected(numbers[16]), &[connection().as_fd()]);
    let (mut near, mut far) = peers(last, accept(&target), 3);
    near.exchange(&mut far, 10);
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
}

/// The kernel lets a user have as many descriptors on their way as a process may open (`ETOOMANYREFS` of
/// unix(7)).
#[test]
fn connections_that_a_dialer_may_not_hand_over_fail_and_no_others() {
    const MOST: u32 = 64;
    let world = World::new();
    let _target = world.listen("127.0.0.1:5000");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {MOST} && exec \"$0\" \"$@\""), BINARY]);
    // Only root is excepted from that, and all that a user has on their way counts: nobody else is this one.
    let nobody_else = 1_900_000_000 + std::process::id();
    command.uid(nobody_else).gid(nobody_else);
    let dialer = DialerProcess::run(command, &world.path, &["--allow", "5000"], &world.host);
    let before = sockets(dialer.pid());
    let client = Hostile::connect(&world.path);
    client.say(HELLO, &[]);
    assert_eq!(client.numbered_answer(), Some((0, HEALTHY)));
    let answered = || dialer.log().matches("reply=Connected").count();
    for packet in 0..7 {
        let rows: Vec<_> = (1..=16).map(|row| numbered(packet * 16 + row, 5000)).collect();
        client.say(&together(&rows), &[]);
    }
    eventually("all are answered", PATIENCE, || answered() == 112);
    eventually("it has nothing to do", PATIENCE, || is_idle(dialer.pid()));
    let mut failed = 0;
    for number in 1..=112_u32 {
        let row = client.hear().unwrap();
        assert_eq!(row[4..8], number.to_be_bytes());
        match Some(row[8]) {
            CONNECTED => {}
            FAILED => {
                assert_eq!(row[9..], Errno::TOOMANYREFS.raw_os_error().to_be_bytes());
                failed += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((16..=112 - MOST).contains(&failed), "{failed}");
    client.say(&numbered(113, 5000), &[]);
    assert_eq!(client.numbered_answer(), Some((113, CONNECTED.unwrap())));
    drop(client);
    expect_no_leak(dialer.pid(), before);
}

/// Answers that find no room keep a dialer from further requests, and so these find none. Both go on as soon as
/// somebody reads.
#[test]
fn nothing_is_lost_where_there_is_no_room_either_way() {
    let world = World::new();
    let dialer = world.dialer("5000");
    let client = Hostile::connect(&world.path);
    let (mut asked, mut waits) = (0, false);
    loop {
        if client.say_at_once(&numbered(asked, 5000)) {
            asked += 1;
        } else if waits {
            break;
        }
        waits = is_idle(dialer.pid());
    }
    for number in 0..asked {
        assert_eq!(client.numbered_answer(), Some((number, FAILED.unwrap())), "of {asked}");
    }
    client.say(HELLO, &[]);
    assert_eq!(client.numbered_answer(), Some((0, HEALTHY)));
}

/// The same at the other end, with more clients than there is room for requests of.
#[test]
fn requests_that_find_no_room_are_sent_when_there_is_some() {
    const CLIENTS: u32 = 600;
    let world = World::new();
    let dialer = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let first = relay.connect();
    let (channel, number) = dialer.accept_channel();
    let clients: Vec<_> = (1..CLIENTS).map(|_| relay.connect()).collect();
    eventually("nothing more can be sent", PATIENCE, || is_idle(relay.pid()));
    for n in 1..CLIENTS {
        assert_eq!(channel.hear(), Some(numbered(number + n, relay.port())));
    }
    // Nor is there room for all answers while nobody reads them.
    relay.signal(Signal::SIGSTOP);
    let mut answered = 0;
    while answered < CLIENTS && channel.say_at_once(&refused(number + answered)) {
        answered += 1;
    }
    assert!(answered < CLIENTS, "there was room for all");
    relay.signal(Signal::SIGCONT);
    (answered..CLIENTS).for_each(|n| channel.say(&refused(number + n), &[]));
    for client in clients.iter().chain([&first]) {
        assert_eq!(read_all(client), RESET);
    }
}
