//! A stop ends the dialers that are the backend's, and nothing else.

use super::*;

/// Whoever may make containers may write labels.
#[tokio::test]
async fn a_stop_leaves_a_directory_alone_that_is_none_of_a_dialers() {
    let host = Host::new("label");
    host.start("5000@loopback").await;
    let directory = host.directory().unwrap();
    let named = |directory: &Path| {
        for container in &mut host.engine.world().containers {
            if let Some(label) = container.labels.get_mut(DIALER_DIRECTORY) {
                *label = directory.to_str().unwrap().to_owned();
            }
        }
    };
    let other = host.runtime.join("other");
    let link = host.runtime.join("docker-assemble-link");
    // Of another backend, or of another engine.
    let another = host.runtime.join("docker-assemble-0123456789abcdef");
    let kept = [other.join("mine"), another.join("log")];
    for file in &kept {
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    std::os::unix::fs::symlink(&other, &link).unwrap();
    for label in [&other, &link, &another] {
        host.start("5000@loopback").await;
        named(label);
        host.stop().await;
        assert!(kept.iter().all(|file| file.exists()) && link.exists(), "{label:?}");
        assert!(!directory.exists(), "{label:?}");
    }

    // Something else in a dialer's own is left too, and said to be.
    host.start("5000@loopback").await;
    let own = directory.join("mine");
    fs::write(&own, "").unwrap();
    let error = dialer::end(directory.to_str().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("not empty") && own.exists(), "{error}");
}

/// A start with another directory for sockets that was killed leaves sidecars of both.
#[tokio::test]
async fn a_stop_ends_the_dialers_of_all_directories_that_sidecars_name() {
    let host = Host::new("several");
    host.start("5000@loopback,6000@loopback").await;
    let first = host.directory().unwrap();
    let runtime = host.runtime.join("other");
    fs::create_dir(&runtime).unwrap();
    let dialer = spec::host_dialer(&host.wish_in(&runtime, "6000@loopback").await.0).unwrap();
    dialer::start(&dialer).await.unwrap();
    let second = runtime.join(first.file_name().unwrap());
    assert!(host.look(&first).await.unwrap().process.is_some());
    assert!(host.look(&second).await.unwrap().process.is_some());
    for container in &mut host.engine.world().containers {
        if container.name.0.ends_with("6000") {
            container.labels.insert(DIALER_DIRECTORY.to_owned(), dialer.directory.clone());
        }
    }
    host.stop().await;
    assert_eq!((processes(&host.runtime), first.exists(), second.exists()), (vec![], false, false));
}
