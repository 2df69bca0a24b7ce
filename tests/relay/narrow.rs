//! What becomes of a channel between relay and dialer where the kernel has no room for what goes over it.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use socket2::{Domain, Socket, Type};

use crate::dialer::{
    CONNECTED, DialerProcess, GRANTED_TOO, HEALTHY, HELLO, Hostile, Impostor, NOT_ALLOWED, NOT_ALLOWED_TOO,
    order,
};
use crate::dialer_world::{FAILED_BY_DIALER, RESET, World, expect_no_leak, sockets};
use crate::process::{BINARY, Launch};
use crate::procfs::is_idle;
use crate::sockets::{PATIENCE, connect, eventually, read_all};
use crate::targets::{Service, echo};

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
/// was for, and has the next ones served over the same channel.
#[test]
fn connections_that_a_relay_has_no_descriptors_for_fail_and_no_others() {
    const CLIENTS: u8 = 10;
    let world = World::new();
    let dialer = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let _service = Service::on(world.listen("127.0.0.1:5000"), echo);
    let hand_over = |channel: &Hostile, count: u8| {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().into();
        let sockets: Vec<OwnedFd> = world.host.run(|| (0..count).map(|_| socket()).collect());
        channel.say(GRANTED_TOO, &sockets.iter().map(AsFd::as_fd).collect::<Vec<_>>());
    };
    let first = relay.connect();
    let (channel, count) = dialer.accept_channel(relay.port());
    limit(relay.pid(), 1);
    hand_over(&channel, count);
    assert_eq!(read_all(&first), RESET);
    limit(relay.pid(), getrlimit(Resource::Nofile).maximum.unwrap());
    let failed = || relay.metric(r#"connections_failed_total{reason="descriptors"}"#);
    eventually("it is counted", PATIENCE, || failed() == 1);

    // Where some fit, so many are served, and the others are asked for again.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while channel.hear().is_some() {
                hand_over(&channel, 1);
            }
        });
        let clients: Vec<_> = (0..CLIENTS).map(|_| relay.connect()).collect();
        for mut client in clients {
            client.write_all(b"ping").unwrap();
            client.read_exact(&mut [0; 4]).unwrap();
        }
        assert_eq!((failed(), relay.metric(FAILED_BY_DIALER)), (1, 0));
        relay.signal(Signal::SIGKILL);
    });
}

/// What lies ready takes descriptors too.
#[test]
fn the_capacity_leaves_descriptors_for_what_lies_ready() {
    let world = World::new();
    let limited = ["sh", "-c", "ulimit -n 200 && exec \"$0\" \"$@\""];
    let capacity = |launch: Launch| {
        let _relay = launch.inside(&world.container).wrapped(limited).start();
        let asked = ["status", "--port", "5000", "--format", "json"];
        let said = world.container.run(|| Command::new(BINARY).args(asked).output().unwrap());
        let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        said["capacity"].as_u64().unwrap()
    };
    assert_eq!(capacity(Launch::to("127.0.0.1:1")), 76);
    assert_eq!(capacity(world.launch("loopback")), 52);
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
    assert_eq!(client.answer(), HEALTHY);
    let answered = || dialer.log().matches("reply=").count();
    let greeted = answered();
    (0..7).for_each(|_| client.say(&order(5000, 16), &[]));
    eventually("all are answered", PATIENCE, || answered() >= greeted + 7);
    eventually("it has nothing to do", PATIENCE, || is_idle(dialer.pid()));
    let mut failed = 0;
    for _ in 0..7 {
        let said = client.hear().unwrap();
        if said != GRANTED_TOO {
            let errno = Errno::TOOMANYREFS.raw_os_error();
            assert_eq!(said, [&b"apd3\x01"[..], &errno.to_be_bytes()].concat());
            failed += 1;
        }
    }
    // So many packets of 16 fit into what may be on its way.
    assert!((1..=7 - MOST / 16).contains(&failed), "{failed}");
    client.say(&order(5000, 1), &[]);
    assert_eq!(client.answer(), CONNECTED);
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
        if client.say_at_once(&order(22, 1)) {
            asked += 1;
        } else if waits {
            break;
        }
        waits = is_idle(dialer.pid());
    }
    assert_eq!(client.answer(), NOT_ALLOWED);
    for n in 1..asked {
        assert_eq!(client.answer(), NOT_ALLOWED, "{n} of {asked}");
    }
    client.say(HELLO, &[]);
    assert_eq!(client.answer(), HEALTHY);
}

/// The same at the other end, with more ports than there is room for orders of.
#[test]
fn orders_that_find_no_room_are_sent_when_there_is_some() {
    const PORTS: u16 = 600;
    let world = World::new();
    let dialer = Impostor::listen(&world.path);
    let relay = world.launch("loopback").range("10000-10599:20000-20599").start();
    let connect = |n: u16| world.container.run(|| connect(([127, 0, 0, 1], 10000 + n).into()));
    let first = connect(0);
    let (channel, _) = dialer.accept_channel(20000);
    let clients: Vec<_> = (1..PORTS).map(connect).collect();
    eventually("nothing more can be sent", PATIENCE, || is_idle(relay.pid()));
    let mut asked: Vec<_> = (1..PORTS).map(|_| channel.hear().unwrap()).collect();
    asked.sort();
    assert_eq!(asked, (1..PORTS).map(|n| order(20000 + n, 1)).collect::<Vec<_>>());
    // Nor is there room for all answers while nobody reads them.
    relay.signal(Signal::SIGSTOP);
    let mut answered = 0;
    while answered < PORTS && channel.say_at_once(NOT_ALLOWED_TOO) {
        answered += 1;
    }
    assert!(answered < PORTS, "there was room for all");
    relay.signal(Signal::SIGCONT);
    (answered..PORTS).for_each(|_| channel.say(NOT_ALLOWED_TOO, &[]));
    for client in clients.iter().chain([&first]) {
        assert_eq!(read_all(client), RESET);
    }
}
