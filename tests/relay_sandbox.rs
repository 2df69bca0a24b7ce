//! What a confined relay can no longer do, tried for real in a thread of its own: both landlock
//! and seccomp bind the thread that asks for them and those it starts.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use assemble_proxy::sys::{Landlock, confine};

/// Runs `deeds` confined to connections to `target_port`.
fn confined<T: Send + 'static>(target_port: u16, deeds: impl FnOnce(Landlock) -> T + Send + 'static) -> T {
    thread::spawn(move || deeds(confine(target_port).expect("the kernel confines this thread")))
        .join()
        .unwrap()
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
fn a_confined_thread_makes_no_socket_but_tcp_and_udp() {
    confined(1, |_| {
        let error = std::os::unix::net::UnixDatagram::unbound().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn confinement_is_inherited_by_threads_that_come_later() {
    confined(1, |_| {
        let opened = thread::spawn(|| File::open("/etc/passwd")).join().unwrap();
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::PermissionDenied);
    });
}
