//! What filters the traffic to this host, as `nft --json list ruleset` tells, and the commands that
//! let a forward in.
//!
//! Each chain that hooks into a packet's way decides for itself: what one accepts another may still
//! drop. So the door has to be opened in every chain that can close it, in those of firewalld by its own
//! command.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use explained::Explained;
use serde_json::Value;

use super::Firewalld;
use crate::desired::Ports;

/// What may turn packets for this host away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filters {
    /// Absent where they may not be looked at.
    chains: Option<Vec<Chain>>,
    firewalld: Option<Firewalld>,
}

/// What there is to say of a host that is not looked at.
pub static UNSEEN: Filters = Filters { chains: None, firewalld: None };

/// A chain that packets for this host go through and that lets not all of them pass.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    family: String,
    table: String,
    name: String,
}

/// The table that firewalld makes.
const FIREWALLD: &str = "firewalld";

/// The chain that it leads to from iptables' own, where it filters by those. What stands after that is its own, and
/// what it lets in does not get that far.
const ZONES: &str = "INPUT_ZONES";

impl Filters {
    /// Those of a ruleset, if it may be read, beside a firewalld, or without one. A table that one has left behind
    /// is like any other.
    #[must_use]
    pub fn new(ruleset: Option<&[u8]>, firewalld: Option<Firewalld>) -> Self {
        let chains = ruleset.map(|ruleset| closing_chains(ruleset, firewalld.is_some()));
        Self { chains, firewalld }
    }
}

/// The rules of each chain, by family, table and name, in their order.
type Rules<'a> = BTreeMap<(String, String, String), Vec<&'a [Value]>>;

/// Reads the chains out of a ruleset, but those of a firewalld that is there; none where it is not understood.
fn closing_chains(ruleset: &[u8], firewalld: bool) -> Vec<Chain> {
    let ruleset: Value = serde_json::from_slice(ruleset).unwrap_or_default();
    let objects = ruleset["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let mut rules = Rules::new();
    for rule in objects.iter().map(|object| &object["rule"]).filter(|rule| rule.is_object()) {
        let chain = (text(rule, "family"), text(rule, "table"), text(rule, "chain"));
        rules.entry(chain).or_default().extend(rule["expr"].as_array().map(Vec::as_slice));
    }
    let chains = objects.iter().map(|object| &object["chain"]).filter(|chain| chain["hook"] == "input");
    chains
        .filter(|chain| chain["type"] == "filter")
        .map(|chain| {
            let [family, table, name] = ["family", "table", "name"].map(|field| text(chain, field));
            (chain["policy"] == "drop", Chain { family, table, name })
        })
        .filter(|(_, chain)| !(firewalld && chain.table == FIREWALLD))
        .filter(|(drops, chain)| chain.closes(*drops, &rules, firewalld))
        .map(|(_, chain)| chain)
        .collect()
}

/// Whether a rule is about packets of no connection alone, which the first of one is not. What iptables asks of a
/// connection nft does not tell; firewalld asks for those.
fn is_of_no_connection(rule: &[Value], firewalld: bool) -> bool {
    rule.iter().any(|expr| {
        let state = &expr["match"];
        (state["left"]["ct"]["key"] == "state" && state["right"] == "invalid")
            || (firewalld && expr["xt"]["name"] == "conntrack")
    })
}

impl Chain {
    /// Whether its policy, where that `drops`, a rule of it, or of a chain that it leads to, turns packets away,
    /// before a firewalld has its say.
    fn closes(&self, mut drops: bool, rules: &Rules<'_>, firewalld: bool) -> bool {
        let (mut open, mut seen) = (vec![self.name.clone()], BTreeSet::new());
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let key = (self.family.clone(), self.table.clone(), name);
            for rule in rules.get(&key).into_iter().flatten() {
                // A target of iptables that nft knows by its name alone.
                let turns_away = |expr: &Value| {
                    expr.get("drop").is_some()
                        || expr.get("reject").is_some()
                        || expr["xt"]["name"] == "REJECT"
                };
                if rule.iter().any(turns_away) && !is_of_no_connection(rule, firewalld) {
                    return true;
                }
                let names = rule
                    .iter()
                    .flat_map(|expr| ["jump", "goto"].map(|way| &expr[way]["target"]))
                    .filter_map(Value::as_str);
                if firewalld && names.clone().any(|name| name == ZONES) {
                    drops = false;
                    break;
                }
                open.extend(names.map(str::to_owned));
            }
        }
        drops
    }

    /// The command that opens it for this address and port; `None` where it does not concern them.
    fn open(&self, to: IpAddr, ports: Ports) -> Option<String> {
        let ip = if to.is_ipv6() { "ip6" } else { "ip" };
        if self.family != "inet" && self.family != ip {
            return None;
        }
        if self.family == ip && self.table == "filter" && self.name == "INPUT" {
            return Some(iptables(Some(to), ports));
        }
        let Self { family, table, name } = self;
        Some(format!("nft insert rule {family} {table} {name} {ip} daddr {to} tcp dport {ports} accept"))
    }
}

/// What lets a forward in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[hints]
pub enum Door {
    /// What filters on the engine's host cannot be seen from here, or not by this user.
    #[error(
        "'{iptables}' on {host} lets it in, and where nftables filters too 'nft insert rule inet filter input \
         {ip} daddr {to} tcp dport {ports} accept', with the table and chain that 'nft list ruleset' shows; \
         where firewalld does '{firewalld}', with the zone of the engine's bridge, and the same with --permanent"
    )]
    Unknown {
        iptables: String,
        host: &'static str,
        ip: &'static str,
        to: String,
        ports: Ports,
        firewalld: String,
    },
    /// What may turn it away is known.
    #[error("{commands} on {host} {verb} it in")]
    Known { commands: String, host: &'static str, verb: &'static str },
    /// Firewalld tells its zones to everybody, the kernel its rules only to root.
    #[error(
        "{commands} on {host} let it in, unless more than firewalld filters there: 'nft list ruleset' shows it to root"
    )]
    Firewalld { commands: String, host: &'static str },
}

/// What lets a forward into `host`; without filters, for a host that cannot be looked at.
pub(super) fn open(filters: &Filters, to: Option<IpAddr>, ports: Ports, host: &'static str) -> Door {
    let commands = |to: IpAddr| {
        let chains = filters.chains.iter().flatten().filter_map(move |chain| chain.open(to, ports));
        chains.chain(filters.firewalld.iter().flat_map(move |it| it.open(Some(to), ports)))
    };
    let known: Vec<_> = to.into_iter().flat_map(commands).map(|command| format!("'{command}'")).collect();
    let commands = known.join(" and ");
    match &known[..] {
        [] => {
            let (iptables, [firewalld, _]) = (iptables(to, ports), Firewalld::anywhere().open(to, ports));
            let (ip, to) = match to {
                Some(to) if to.is_ipv6() => ("ip6", to.to_string()),
                to => ("ip", to.map_or_else(|| "GATEWAY".to_owned(), |to| to.to_string())),
            };
            Door::Unknown { iptables, host, ip, to, ports, firewalld }
        }
        _ if filters.chains.is_none() => Door::Firewalld { commands, host },
        [_] => Door::Known { commands, host, verb: "lets" },
        _ => Door::Known { commands, host, verb: "together let" },
    }
}

/// The address says which bridge: that is the one it is on.
fn iptables(to: Option<IpAddr>, ports: Ports) -> String {
    let program = if to.is_some_and(|to| to.is_ipv6()) { "ip6tables" } else { "iptables" };
    let to = to.map(|to| format!(" -d {to}")).unwrap_or_default();
    // As iptables(8) has a range.
    let ports = ports.to_string().replace('-', ":");
    format!("{program} -I INPUT -p tcp{to} --dport {ports} -j ACCEPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nft 1.0.6 prints it, shortened.
    const RULESET: &str = r#"{"nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "mine"}},
        {"chain": {"family": "inet", "table": "mine", "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
        {"chain": {"family": "inet", "table": "mine", "name": "rest"}},
        {"rule": {"family": "inet", "table": "mine", "chain": "in", "expr": [{"match": {}}, {"jump": {"target": "rest"}}]}},
        {"rule": {"family": "inet", "table": "mine", "chain": "rest", "expr": [{"jump": {"target": "rest"}}]}},
        {"rule": {"family": "inet", "table": "mine", "chain": "rest", "expr": [{"match": {}}, {"reject": {"type": "icmpx"}}]}},
        {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "ip6", "table": "six", "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "inet", "table": "open", "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
        {"rule": {"family": "inet", "table": "open", "chain": "in", "expr": [{"accept": null}]}}
    ]}"#;

    #[test]
    fn every_chain_that_can_close_the_door_is_opened() {
        let filters = Filters::new(Some(RULESET.as_bytes()), None);
        let names: Vec<_> = filters.chains.iter().flatten().map(|chain| chain.table.as_str()).collect();
        assert_eq!(names, ["mine", "filter", "six"]);
        let gateway = Some(IpAddr::from([172, 17, 0, 1]));
        let open = |to, ports: &str, host| open(&filters, to, ports.parse().unwrap(), host);
        assert_eq!(
            open(gateway, "5000", "this host").to_string(),
            "'nft insert rule inet mine in ip daddr 172.17.0.1 tcp dport 5000 accept' and \
             'iptables -I INPUT -p tcp -d 172.17.0.1 --dport 5000 -j ACCEPT' on this host together let it in"
        );
        let v6 = "2001:db8::1".parse().ok();
        assert!(
            open(v6, "5", "x").to_string().contains("'nft insert rule ip6 six in ip6 daddr 2001:db8::1 tcp")
        );
        let range = open(gateway, "8000-8099", "this host").to_string();
        assert!(
            range.contains("tcp dport 8000-8099 accept'") && range.contains("--dport 8000:8099 -j"),
            "{range}"
        );
    }

    #[test]
    fn a_host_that_tells_nothing_leaves_both() {
        for ruleset in ["", "{}", "[]", "{\"nftables\": 1}"] {
            assert_eq!(closing_chains(ruleset.as_bytes(), false), []);
        }
        let both = open(&UNSEEN, None, "5000".parse().unwrap(), "that host").to_string();
        assert!(both.starts_with("'iptables -I INPUT -p tcp --dport 5000 -j ACCEPT' on that host"), "{both}");
        assert!(both.contains("'nft insert rule inet filter input ip daddr GATEWAY tcp"), "{both}");
    }

    #[test]
    fn a_rule_against_packets_of_no_connection_closes_no_door() {
        let rule = r#"{"rule": {"family": "inet", "table": "open", "chain": "in", "expr": [
            {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "STATE"}}, {"drop": null}]}}"#;
        let closing = |state: &str| {
            let rules = format!("\"accept\": null}}]}}}}, {}", rule.replace("STATE", state));
            let ruleset = RULESET.replace("\"accept\": null}]}}", &rules);
            closing_chains(ruleset.as_bytes(), false).iter().any(|chain| chain.table == "open")
        };
        assert!(closing("new") && !closing("invalid"));
    }

    #[test]
    fn firewalld_by_iptables_has_the_last_word_and_not_the_first() {
        let rule = |expr: &str| {
            format!(
                r#"{{"rule": {{"family": "ip", "table": "filter", "chain": "INPUT", "expr": [{expr}]}}}},"#
            )
        };
        // What it begins and ends with.
        let invalid = rule(r#"{"xt": {"type": "match", "name": "conntrack"}}, {"drop": null}"#);
        let zones = rule(r#"{"counter": {}}, {"jump": {"target": "INPUT_ZONES"}}"#);
        let reject = rule(r#"{"xt": {"type": "target", "name": "REJECT"}}"#);
        let closing = |rules: &[&str], firewalld| {
            let head = "{\"metainfo\": {\"version\": \"1.0.6\"}},";
            let ruleset = RULESET.replace(head, &format!("{head}{}", rules.concat()));
            closing_chains(ruleset.as_bytes(), firewalld).iter().any(|chain| chain.name == "INPUT")
        };
        let its_own = [&invalid[..], &zones, &reject];
        assert!(!closing(&its_own, true) && closing(&its_own, false));
        assert!(closing(&[&invalid, &reject, &zones], true) && closing(&[], true));
    }

    #[test]
    fn firewalld_is_told_by_its_own_command_while_it_is_there() {
        let ruleset = RULESET.replace("\"mine\"", "\"firewalld\"");
        let opened = |firewalld| {
            let filters = Filters::new(Some(ruleset.as_bytes()), firewalld);
            open(&filters, Some([172, 17, 0, 1].into()), "8000-8009".parse().unwrap(), "this host")
                .to_string()
        };
        let rule = "--add-rich-rule=\"rule priority=-32768 family=ipv4 destination address=172.17.0.1 port \
                    port=8000-8009 protocol=tcp accept\"'";
        assert_eq!(
            opened(Some(Firewalld::new("dmz\n  interfaces: docker0\n", None, Some("docker0")))),
            format!(
                "'iptables -I INPUT -p tcp -d 172.17.0.1 --dport 8000:8009 -j ACCEPT' and \
                 'firewall-cmd --zone=dmz {rule} and 'firewall-cmd --permanent --zone=dmz {rule} on this host \
                 together let it in"
            )
        );
        assert!(opened(Some(Firewalld::new("", None, None))).contains(&format!("'firewall-cmd {rule}")));
        assert!(opened(None).contains("'nft insert rule inet firewalld in ip daddr"));
        let half = Filters::new(None, Some(Firewalld::default()));
        let half = open(&half, Some([172, 17, 0, 1].into()), "8000-8009".parse().unwrap(), "this host");
        assert!(half.to_string().contains(&format!("'firewall-cmd {rule}")), "{half}");
        assert!(half.to_string().contains("unless more than firewalld filters"), "{half}");
    }
}
