//! How each of them is started.

#![expect(clippy::unnecessary_wraps, reason = "all functions are of one form")]

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::Setup;
use crate::process::descriptor_limit;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn nothing(_: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    Ok(Vec::new())
}

pub(super) fn ours(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_port, .. } = setup;
    Ok(words(&[program, "--port", &port.to_string(), "--to", &format!("gateway:{server_port}")]))
}

/// Ours, awake between messages.
pub(super) fn ours_busy(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    Ok([ours(setup)?, words(&["--busy-poll", "50"])].concat())
}

/// Our own, which does nothing but relay messages: a bound for the others.
pub(super) fn least(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    let to = format!("{server_ip}:{server_port}");
    Ok(words(&[program, "least", "--port", &port.to_string(), "--to", &to]))
}

pub(super) fn least_busy(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    Ok([least(setup)?, words(&["--busy"])].concat())
}

pub(super) fn ours_to_loopback(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_port, dialer, .. } = setup;
    let (port, to) = (port.to_string(), format!("loopback:{server_port}"));
    Ok(words(&[program, "--port", &port, "--to", &to, "--dialer", dialer]))
}

pub(super) fn haproxy(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    haproxy_with("", "option splice-auto", setup)
}

/// Told to splice always, since on its own it decides only now and then and may miss a stream that is fast from its
/// first byte; and through pipes as wide as a user may have them without privileges.
pub(super) fn haproxy_splice(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    haproxy_with("  tune.pipesize 1048576\n", "option splice-request\n  option splice-response", setup)
}

fn haproxy_with(tuned: &str, splicing: &str, setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, dir, port, server_ip, server_port, flows, .. } = setup;
    // It refuses to start with fewer descriptors than connections and pipes may take. Its own
    // rule is a pipe for every fourth connection; where that is too much, what is left.
    let limit = usize::try_from(descriptor_limit()).unwrap_or(usize::MAX);
    let connections = (flows + 100).max(2000);
    let pipes = (connections / 4).min(limit.saturating_sub(2 * connections + 100) / 2);
    let config = format!(
        "global\n  maxconn {connections}\n  maxpipes {pipes}\n  nbthread 1\n{tuned}\
         defaults\n  mode tcp\n  {splicing}\n  timeout connect 10s\n  timeout client 1h\n  \
         timeout server 1h\n\
         listen relay\n  bind 127.0.0.1:{port}\n  server target {server_ip}:{server_port}\n"
    );
    let file = write(dir, "haproxy.cfg", &config)?;
    Ok(words(&[program, "-db", "-q", "-f", &file]))
}

pub(super) fn nginx(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let Setup { program, dir, port, server_ip, server_port, flows, .. } = setup;
    // Compiled in elsewhere; Debian has it in a file.
    let load = if Path::new(MODULE).exists() { format!("load_module {MODULE};") } else { String::new() };
    let config = format!(
        "{load}\ndaemon off;\nworker_processes 1;\npid {}/nginx.pid;\nerror_log stderr crit;\n\
         worker_rlimit_nofile {limit};\nevents {{ worker_connections {connections}; }}\n\
         stream {{ server {{ listen 127.0.0.1:{port} backlog=4096; proxy_pass {server_ip}:{server_port}; \
         proxy_timeout 1h; }} }}\n",
        dir.display(),
        limit = descriptor_limit(),
        connections = (2 * flows + 200).max(4096),
    );
    let file = write(dir, "nginx.conf", &config)?;
    Ok(words(&[program, "-e", "stderr", "-p", &dir.display().to_string(), "-c", &file]))
}

pub(super) fn socat(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    Ok(words(&[
        program,
        &format!("TCP4-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=4096,nodelay"),
        &format!("TCP4:{server_ip}:{server_port},nodelay"),
    ]))
}

pub(super) fn systemd(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    let proxy = ["/usr/lib/systemd/systemd-socket-proxyd", "/lib/systemd/systemd-socket-proxyd"]
        .into_iter()
        .find(|file| Path::new(file).exists())
        .context("systemd-socket-proxyd is not installed")?;
    Ok(words(&[
        program,
        "--listen",
        &format!("127.0.0.1:{port}"),
        proxy,
        // 256 unless told.
        "--connections-max=100000",
        &format!("{server_ip}:{server_port}"),
    ]))
}

pub(super) fn docker_proxy(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    // The engine waits for a word on descriptor 3, and the proxy closes whatever it finds there.
    let line = format!(
        "exec {program} -proto tcp -host-ip 127.0.0.1 -host-port {port} \
         -container-ip {server_ip} -container-port {server_port} 3>/dev/null"
    );
    Ok(words(&["/bin/sh", "-c", &line]))
}

pub(super) fn realm(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    Ok(words(&[
        program,
        "-l",
        &format!("127.0.0.1:{port}"),
        "-r",
        &format!("{server_ip}:{server_port}"),
        "-n",
        &descriptor_limit().to_string(),
    ]))
}

pub(super) fn portunus(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, dir, port, server_ip, server_port, .. } = setup;
    let config = format!(
        "[global]\nlog_level = \"warn\"\n\n[[rule]]\nname = \"relay\"\nprotocol = \"tcp\"\n\
         listen_port = {port}\ntarget = \"{server_ip}:{server_port}\"\n"
    );
    Ok(words(&[program, "--config", &write(dir, "portunus.toml", &config)?]))
}

pub(super) fn pasta(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, server_port, client_namespace, .. } = setup;
    Ok(words(&[
        program,
        "--foreground",
        "--quiet",
        "--ipv4-only",
        // Else it becomes nobody, who may not enter a namespace that root has made.
        "--runas",
        "0:0",
        "--netns-only",
        "--tcp-ports",
        "none",
        "--udp-ports",
        "none",
        "--udp-ns",
        "none",
        "--tcp-ns",
        &server_port.to_string(),
        "--netns",
        client_namespace,
    ]))
}

fn write(dir: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let file = dir.join(name);
    fs::write(&file, text)?;
    Ok(file.display().to_string())
}
