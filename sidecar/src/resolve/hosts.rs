//! hosts(5). Pure.

use std::net::IpAddr;

/// The addresses that the file has for a name, in its order.
#[must_use]
pub fn find(text: &str, name: &str) -> Vec<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(ip)
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_with_the_name_counts() {
        let text = "127.0.0.1\tlocalhost\n# 192.0.2.9 db\n192.0.2.7  app DB # db2\n2001:db8::7 db\nx db\n192.0.2.8 db.internal\n";
        assert_eq!(find(text, "db"), ["192.0.2.7", "2001:db8::7"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(find(text, "db2"), [] as [IpAddr; 0]);
        assert_eq!(find("", "db"), [] as [IpAddr; 0]);
    }
}
