//! What a confined relay can no longer do, tried for real in a thread of its own: both landlock
//! and seccomp bind the thread that asks for them and those it starts.

use std::fs::File;
use std::io::{ErrorKind, IoSlice};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use assemble_proxy::sys::{Landlock, Rights, confine};
use nix::libc::MSG_FASTOPEN;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUlp;
use socket2::{Domain, MsgHdr, Protocol, SockAddr, Socket, Type};

/// Runs `deeds` confined to `rights`, such as connections to one port.
fn confined<T: Send + 'static>(
    rights: impl Into<Rights>,
    deeds: impl FnOnce(Landlock) -> T + Send + 'static,
) -> T {
    let rights = rights.into();
    thread::spawn(move || deeds(confine(rights).expect("the kernel confines this thread"))).join().unwrap()
}

/// What comes of `MSG_FASTOPEN`, with which sendto(2) and sendmsg(2) connect.
fn connect_by_sending(addr: SocketAddr) -> [ErrorKind; 2] {
    let (to, payload) = (SockAddr::from(addr), [IoSlice::new(b"?")]);
    let socket = || Socket::new_raw(Domain::IPV4, Type::STREAM.cloexec(), None).unwrap();
    let message = MsgHdr::new().with_addr(&to).with_buffers(&payload);
    [
        socket().send_to_with_flags(b"?", &to, MSG_FASTOPEN).unwrap_err().kind(),
        socket().sendmsg(&message, MSG_FASTOPEN).unwrap_err().kind(),
    ]
}

#[test]
fn a_confined_thread_opens_no_file_and_starts_no_program() {
    confined(1, |_| {
        assert_eq!(File::open("/etc/passwd").unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(File::create("/tmp/assemble-proxy-test").unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(Command::new("/bin/true").status().is_err());
    });
}

#[test]
fn a_confined_thread_binds_no_port() {
    confined(1, |_| {
        let error = TcpListener::bind("127.0.0.1:0").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn a_confined_thread_connects_to_the_target_port_only() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let (target_addr, other_addr) = (target.local_addr().unwrap(), other.local_addr().unwrap());
    confined(target_addr.port(), move |landlock| {
        assert_eq!(connect_by_sending(other_addr), [ErrorKind::PermissionDenied; 2]);
        TcpStream::connect(target_addr).expect("the target can be reached");
        match landlock {
            Landlock::Full => {
                let error = TcpStream::connect(other_addr).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            }
            // Older kernels cannot tell ports apart, and confine() says so.
            Landlock::FilesOnly | Landlock::Absent => drop(TcpStream::connect(other_addr).unwrap()),
        }
    });
}

#[test]
fn a_confined_thread_makes_no_socket_but_tcp() {
    confined(1, |_| {
        let error = std::os::unix::net::UnixDatagram::unbound().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let tcp = Socket::new_raw(Domain::IPV4, Type::STREAM.cloexec(), None).unwrap();
        tcp.set_tcp_nodelay(true).unwrap();
        let error = setsockopt(&tcp, TcpUlp::default(), b"smc").unwrap_err();
        assert_eq!(error, nix::errno::Errno::EPERM);
        for other in [Protocol::MPTCP, Protocol::SCTP] {
            let error = Socket::new_raw(Domain::IPV4, Type::STREAM.cloexec(), Some(other)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        }
    });
}

#[test]
fn confinement_is_inherited_by_threads_that_come_later() {
    confined(1, |_| {
        let opened = thread::spawn(|| File::open("/etc/passwd")).join().unwrap();
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::PermissionDenied);
    });
}

/// Name servers are asked by those only whose target has a name.
#[test]
fn a_confined_thread_sends_datagrams_only_where_names_are_looked_up() {
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = SockAddr::from(server.local_addr().unwrap());
    let socket = || Socket::new_raw(Domain::IPV4, Type::DGRAM.cloexec().nonblocking(), None);
    confined(1, move |_| assert_eq!(socket().unwrap_err().kind(), ErrorKind::PermissionDenied));
    confined(Rights { datagrams: true, ..Rights::default() }, move |_| {
        let socket = socket().unwrap();
        socket.connect(&addr).unwrap();
        socket.send(b"?").unwrap();
        assert!(Socket::new_raw(Domain::IPV4, Type::RAW, None).is_err());
    });
    assert_eq!(server.recv(&mut [0; 2]).unwrap(), 1);
}

/// A relay that has a dialer finds it by its path, and leads what it is handed to its own port.
#[test]
fn a_thread_that_asks_a_dialer_can_do_nothing_else() {
    let path = std::env::temp_dir().join(format!("aps{}.sock", std::process::id()));
    let dialer = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    dialer.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    dialer.listen(1).unwrap();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, target_addr) = (path.clone(), target.local_addr().unwrap());
    let other_addr = other.local_addr().unwrap();
    let handed_over = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let rights = Rights { connect: vec![target_addr.port()], packets: true, ..Rights::default() };
    confined(rights, move |landlock| {
        let socket = Socket::new_raw(Domain::UNIX, Type::SEQPACKET.cloexec().nonblocking(), None);
        socket.unwrap().connect(&SockAddr::unix(&at).unwrap()).expect("the dialer can be reached");
        assert!(std::os::unix::net::UnixStream::connect(&at).is_err());
        assert!(std::os::unix::net::UnixDatagram::unbound().is_err());
        assert!(File::open(&at).is_err());
        assert_eq!(std::fs::remove_file(&at).unwrap_err().kind(), ErrorKind::PermissionDenied);
        let own = Socket::new_raw(Domain::IPV4, Type::STREAM.cloexec(), None);
        assert_eq!(own.unwrap_err().kind(), ErrorKind::PermissionDenied);
        // Its address stays what the dialer has given it.
        assert_eq!(handed_over.bind(&source()).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(handed_over.connect(&other_addr.into()).is_err(), landlock == Landlock::Full);
        if landlock == Landlock::Full {
            handed_over.connect(&target_addr.into()).expect("the target can be reached");
        }
        // Nor by dissolving the connection (connect(2), `AF_UNSPEC`).
        rustix::net::connect_unspec(&handed_over).unwrap();
        assert_eq!(handed_over.connect(&other_addr.into()).is_err(), landlock == Landlock::Full);
        assert!(handed_over.send_to_with_flags(b"?", &other_addr.into(), MSG_FASTOPEN).is_err());
    });
    std::fs::remove_file(path).unwrap();
}

/// Any port of loopback, to be chosen later.
fn source() -> SockAddr {
    SocketAddr::from(([127, 0, 0, 1], 0)).into()
}

/// A dialer gives sockets their address, and takes no port.
#[test]
fn a_thread_that_may_choose_sources_binds_to_no_port() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    confined(Rights { sources: true, ..Rights::default() }, move |landlock| {
        let socket = || Socket::new_raw(Domain::IPV4, Type::STREAM.cloexec(), None).unwrap();
        socket().bind(&source()).unwrap();
        assert_eq!(socket().bind(&free.into()).is_err(), landlock == Landlock::Full);
        assert_eq!(socket().listen(1).unwrap_err().kind(), ErrorKind::PermissionDenied);
    });
    confined(1, |_| {
        let socket = Socket::new_raw(Domain::IPV4, Type::STREAM.cloexec(), None).unwrap();
        assert_eq!(socket.bind(&source()).unwrap_err().kind(), ErrorKind::PermissionDenied);
    });
}

/// A dialer takes its socket with it, and that is all it may do to files.
#[test]
fn a_thread_that_may_remove_files_can_do_so_in_one_directory() {
    let dir = std::env::temp_dir().join(format!("aps{}", std::process::id()));
    let (inside, beside) = (dir.join("inside"), dir.with_extension("beside"));
    std::fs::create_dir(&dir).unwrap();
    for file in [&inside, &beside] {
        File::create(file).unwrap();
    }
    let (own, other) = (inside, beside.clone());
    let rights = Rights { remove_in: Some(dir.clone()), ..Rights::default() };
    confined(rights, move |landlock| {
        // The filter of system calls cannot tell directories apart.
        match landlock {
            Landlock::Absent => drop(other),
            Landlock::Full | Landlock::FilesOnly => {
                assert_eq!(std::fs::remove_file(other).unwrap_err().kind(), ErrorKind::PermissionDenied);
            }
        }
        assert_eq!(File::open(&own).unwrap_err().kind(), ErrorKind::PermissionDenied);
        std::fs::remove_file(own).unwrap();
    });
    std::fs::remove_file(beside).unwrap();
    std::fs::remove_dir(dir).unwrap();
}
