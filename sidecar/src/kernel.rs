//! What the kernel allows a relay in this network namespace, read from proc(5).

use assemble_contract::status::Kernel;

/// The limits that a relay may meet.
pub(crate) fn facts() -> Kernel {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let number = |text: String| text.trim().parse::<u64>().ok();
    Kernel {
        pipe_user_pages_soft: read("/proc/sys/fs/pipe-user-pages-soft").and_then(number),
        ports: read("/proc/sys/net/ipv4/ip_local_port_range").as_deref().and_then(ports),
        time_wait: read("/proc/net/sockstat").as_deref().and_then(time_wait),
    }
}

/// How many ports are between the two numbers of `ip_local_port_range`.
fn ports(text: &str) -> Option<u64> {
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(last.checked_sub(first)? + 1)
}

/// The number after `tw` in the line for TCP.
fn time_wait(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == "tw")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_understood() {
        assert_eq!(ports("10000\t65000\n"), Some(55_001));
        assert_eq!(ports("9 1"), None);
        assert_eq!(ports(""), None);
        let stat = "sockets: used 9\nTCP: inuse 1 orphan 0 tw 42 alloc 5 mem 0\nUDP: inuse 0 mem 0\n";
        assert_eq!(time_wait(stat), Some(42));
        assert_eq!(time_wait("UDP: tw 1"), None);
    }
}
