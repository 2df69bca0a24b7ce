//! The relay, and what one would write without it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};

use assemble_proxy::config::{Config, Engine};
use assemble_proxy::server::Server;
use tokio::sync::oneshot;

/// What is between client and server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Direct,
    Tokio,
    Relay(Engine),
}

impl Way {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tokio => "tokio",
            Self::Relay(Engine::Copy) => "copy",
            Self::Relay(Engine::Splice) => "splice",
            Self::Relay(Engine::Auto) => "auto",
        }
    }
}

/// A forwarder on a thread with a runtime of its own, like the sidecar's.
pub(crate) struct Forwarder {
    pub(crate) addr: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Forwarder {
    pub(crate) fn start(way: Way, to: SocketAddr) -> Self {
        if let Way::Direct = way {
            return Self { addr: to, running: None };
        }
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let forwarding = async {
                    match way {
                        Way::Relay(engine) => {
                            let target = to.to_string().parse().expect("an address is a target");
                            let config = Config { engine, ..Config::on_any_port(target) };
                            let server = Server::bind(&config).expect("a relay");
                            let _ = tell.send(server.local_addrs().next().expect("an address"));
                            let _ = server.run(std::future::pending()).await;
                        }
                        _ => copy_both_ways(to, |addr| tell.send(addr).unwrap_or(()))
                            .await
                            .expect("a listener"),
                    }
                };
                tokio::select! { () = forwarding => {}, _ = stopped => {} }
            });
        });
        Self { addr: told.recv().expect("a forwarder that listens"), running: Some((stop, thread)) }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// What one would write without this crate.
async fn copy_both_ways(to: SocketAddr, listening: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    listening(listener.local_addr()?);
    loop {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut server = tokio::net::TcpStream::connect(to).await?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
    }
}
