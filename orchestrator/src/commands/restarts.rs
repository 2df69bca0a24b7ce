//! Containers that end unasked. The engine starts them again, so that nothing shows but the
//! connections that were cut.

use docker_plugin::output::seconds;

use crate::observed::Container;

/// How often a container has ended unasked, in words; none for one that has not.
///
/// A sidecar also ends with the network of its `backend`, to find the new one, which is as it
/// should be.
#[must_use]
pub fn restarts(container: &Container, backend: Option<&Container>) -> Option<String> {
    let Container { restarts, out_of_memory, started_at, .. } = container;
    let with_backend = backend.is_some_and(|backend| starts_with(container, backend));
    if *restarts == 0 || with_backend {
        return None;
    }
    let times = if *restarts == 1 { "once".to_owned() } else { format!("{restarts} times") };
    let memory = if *out_of_memory { ", for want of memory" } else { "" };
    Some(format!("has ended {times}{memory}, and was last started again at {started_at}"))
}

/// Whether one was last started because the other was.
fn starts_with(container: &Container, backend: &Container) -> bool {
    /// More than it takes a sidecar to notice, and the engine to start it again.
    const SECONDS: i64 = 10;
    match (seconds(&container.started_at), seconds(&backend.started_at)) {
        (Some(own), Some(backend)) => (0..SECONDS).contains(&(own - backend)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(restarts: u64, clock: &str) -> Container {
        Container { restarts, started_at: format!("2024-05-01T{clock}Z"), ..Container::running("s") }
    }

    #[test]
    fn who_ends_unasked_is_told() {
        let backend = container(0, "10:00:00.5");
        assert_eq!(restarts(&container(0, "10:30:00"), Some(&backend)), None);
        assert_eq!(
            restarts(&container(1, "10:30:00"), Some(&backend)).unwrap(),
            "has ended once, and was last started again at 2024-05-01T10:30:00Z"
        );
        let killed = Container { out_of_memory: true, ..container(7, "10:30:00") };
        assert_eq!(
            restarts(&killed, None).unwrap(),
            "has ended 7 times, for want of memory, and was last started again at 2024-05-01T10:30:00Z"
        );
    }

    #[test]
    fn who_ends_with_the_backend_is_not() {
        let backend = container(0, "10:00:00.5");
        for (clock, told) in
            [("09:59:59.9", true), ("10:00:00.7", false), ("10:00:09", false), ("10:00:10", true)]
        {
            assert_eq!(restarts(&container(3, clock), Some(&backend)).is_some(), told, "{clock}");
        }
        let of_an_engine_without_times = Container { started_at: String::new(), ..container(3, "") };
        assert!(restarts(&of_an_engine_without_times, Some(&backend)).is_some());
    }
}
