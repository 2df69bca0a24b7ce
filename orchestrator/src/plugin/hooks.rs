//! What the plugin says after other docker commands, where the user has turned that on in docker's
//! configuration: why a build's push to localhost was refused, and what helps. Pure.

use docker_plugin::hooks::{self, Ended};

/// The commands that build, by their words behind `docker`; a configured prefix of one of them
/// stands for it.
const BUILDS: [&str; 6] =
    ["build", "builder build", "buildx build", "buildx bake", "compose build", "image build"];

/// The options, long and short, by which a build may push.
const PUSHES: [&str; 3] = ["push", "output", "o"];

/// How this host is named in what a builder says about a connection.
const LOCAL: [&str; 3] = ["127.0.0.1:", "[::1]:", "localhost:"];

/// The answer to what docker tells in JSON, itself in JSON. One without words is shown to nobody.
#[must_use]
pub fn answer(told: &str) -> String {
    hooks::answer(told, advice)
}

fn advice(ended: &Ended) -> Option<String> {
    let root = ended.command.trim();
    let builds = BUILDS.iter().any(|build| *build == root || build.starts_with(&format!("{root} ")));
    let error = ended.error.trim();
    if !builds || error.is_empty() {
        return None;
    }
    if let Some(port) = refused_port(error) {
        return Some(format!(
            "Nothing answers at localhost:{port} where this build runs: a builder in a container has a \
             localhost of its own.\n\
             'docker assemble backend start --use --allow-host-port {port}' makes one that reaches port \
             {port} of this host,\n\
             'docker assemble backend doctor {port}' tells what is in the way."
        ));
    }
    let pushes = ended.flags.keys().any(|option| {
        let name = option.split('=').next().unwrap_or_default();
        PUSHES.contains(&name)
    });
    // A command that a signal ended (128 and more) has not failed.
    let failed = ended.status().is_some_and(|status| (1..128).contains(&status));
    (pushes && failed).then(|| {
        "Was a push to localhost refused? A builder in a container has a localhost of its own.\n\
         'docker assemble backend start --use' makes one that reaches port 5000 of this host,\n\
         'docker assemble backend doctor' tells what is in the way."
            .to_owned()
    })
}

/// The port of this host at which a connection was refused.
fn refused_port(error: &str) -> Option<u16> {
    if !error.contains("refused") {
        return None;
    }
    LOCAL.iter().find_map(|host| {
        error.match_indices(host).find_map(|(at, _)| {
            let rest = &error[at + host.len()..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            rest[..digits].parse().ok().filter(|port| *port > 0)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(root: &str, flags: &str, error: &str) -> String {
        let told = format!(r#"{{"RootCmd":"{root}","Flags":{flags},"CommandError":"{error}"}}"#);
        let answer: serde_json::Value = serde_json::from_str(&answer(&told)).unwrap();
        assert_eq!(answer["Type"], 0);
        answer["Template"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_refused_port_of_this_host_is_explained() {
        for error in [
            "dial tcp 127.0.0.1:6000: connect: connection refused",
            "failed to push localhost:6000/app: dial tcp [::1]:6000: connect: connection refused",
        ] {
            let said = words("buildx build", "null", error);
            assert!(said.contains("start --use --allow-host-port 6000'"), "{said}");
            assert!(said.contains("doctor 6000'"), "{said}");
        }
    }

    #[test]
    fn where_only_the_failure_of_a_push_is_known_it_is_asked() {
        for flags in [r#"{"push":""}"#, r#"{"push=true":"","t":""}"#, r#"{"o":"","t":""}"#] {
            for error in ["exited with code 1", "exit status 1"] {
                assert!(words("buildx", flags, error).starts_with("Was a push"), "{flags} {error}");
            }
        }
        assert_eq!(words("buildx build", r#"{"t":""}"#, "exited with code 1"), "", "it did not push");
        for error in ["exited with code 130", "no such file", "context x: not found: 1"] {
            assert_eq!(words("buildx build", r#"{"push":""}"#, error), "", "{error}");
        }
    }

    #[test]
    fn of_anything_else_nothing_is_said() {
        assert_eq!(words("buildx build", r#"{"push":""}"#, ""), "", "a success");
        let refused = "dial tcp 127.0.0.1:6000: connect: connection refused";
        for (root, error) in [
            ("push", refused),
            ("build", "dial tcp 192.0.2.1:5000: connect: connection refused"),
            ("build", "localhost:6000: not found"),
            ("build", "127.0.0.1:0 refused"),
        ] {
            assert_eq!(words(root, r#"{"push":""}"#, error), "", "{root}: {error}");
        }
        for told in ["", "[]", "{", r#"{"RootCmd":7}"#] {
            assert_eq!(answer(told), r#"{"Template":"","Type":0}"#, "{told}");
        }
    }
}
