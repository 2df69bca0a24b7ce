//! What an engine refuses, or has to say, of what a start wants.

use docker_assemble::commands;
use docker_assemble::desired::{ImageRef, Named, ProxyImage, PullPolicy};

use super::*;

#[tokio::test(start_paused = true)]
async fn refused_privileges_lead_to_fewer_with_one_warning() {
    for refusal in [Refusal::Create, Refusal::Start] {
        let engine = fresh();
        engine.world().refusal = refusal;
        let screen = must_start(&engine, &two_ports()).await;
        assert_eq!(names(&engine), all_run());
        assert_eq!(screen.err().lines().count(), 1);
        assert!(screen.err().starts_with("WARNING: the engine refuses privileged containers"));

        let engine = fresh();
        engine.world().refusal = refusal;
        let only = Desired { settings: secured(Security::Privileged), ..wish() };
        let (result, _) = run_start(&engine, &only, &Cancel::never()).await;
        assert!(result.unwrap_err().to_string().contains("'--security restricted'"));
        assert_eq!(names(&engine), []);
    }
}

/// As with `docker run`, 125 is for a value that will not do, and 1 for what nobody has named.
#[tokio::test(start_paused = true)]
async fn what_the_engine_or_buildkit_refuses_of_what_was_named_ends_with_125() {
    let ends = async |engine: &FakeEngine, wish: &Desired| {
        let (result, _) = run_start(engine, wish, &Cancel::never()).await;
        let error = result.unwrap_err();
        (commands::exit(&error).code(), error.to_string())
    };
    let bare = FakeEngine::with_images(&[]);
    let (status, _) = ends(&bare, &Desired { pull: PullPolicy::Never, ..wish() }).await;
    assert_eq!((status, ends(&bare, &wish()).await.0), (125, 1));
    let named = Desired { named: Named { image: true, ..Named::default() }, ..wish() };
    assert_eq!(ends(&bare, &named).await.0, 125);
    let own = Desired { proxy_image: ProxyImage::Custom(ImageRef("mine".to_owned())), ..wish() };
    assert_eq!(ends(&fresh(), &own).await.0, 125);
    // It is the start that named it, and not who changes forwards since.
    let engine = fresh();
    must_start(&engine, &wish()).await;
    assert_eq!(ends(&engine, &Desired { forwards_only: true, forwards: ports(&[6000]), ..own }).await.0, 1);

    let engine = fresh();
    engine.world().refusal = Refusal::Start;
    let privileged = Desired { settings: secured(Security::Privileged), ..wish() };
    assert_eq!(ends(&engine, &privileged).await.0, 125);
    // A helper that is refused says nothing of the backend's.
    let engine = fresh();
    engine.world().refusal = Refusal::CreateHelper;
    let (status, words) = ends(&engine, &Desired { forwards: ports(&[5000]), ..privileged }).await;
    let said = "create container \"docker-assemble-backend-ann-proxy-port-5000\": operation not permitted";
    assert_eq!((status, words.as_str()), (1, said));

    let engine = fresh();
    engine.world().ending.insert(wish().user.backend());
    assert_eq!(ends(&engine, &wish()).await.0, 1);
    let (insecure, config) = ("--registry-insecure r", "--config /etc/a.toml --registry-insecure r");
    let told = |options: &str| Desired { config_options: options.to_owned(), ..wish() };
    assert_eq!(ends(&engine, &told(insecure)).await.0, 1);
    let (status, words) = ends(&engine, &told(config)).await;
    assert_eq!(status, 125);
    assert!(words.ends_with("ended right after its start; asked for config \"/etc/a.toml\""), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_setting_is_left_out_and_is_no_lack_of_privileges() {
    let engine = fresh();
    engine.world().refusal = Refusal::Start;
    engine.world().lacking = Some("net.ipv4.tcp_tw_reuse");
    let screen = must_start(&engine, &wish()).await;
    let warnings: Vec<_> = screen.err().lines().map(str::to_owned).collect();
    let [setting, privileges] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(
        setting,
        "WARNING: \"docker-assemble-backend-ann\" runs without the setting \"net.ipv4.tcp_tw_reuse\", which \
         the engine refuses: create container \"docker-assemble-backend-ann\": \
         open /proc/sys/net/ipv4/tcp_tw_reuse: permission denied"
    );
    assert!(privileges.contains("refuses privileged containers"), "{privileges}");
    let screen = must_start(&engine, &wish()).await;
    assert_eq!(screen.out(), "Backend \"docker-assemble-backend-ann\" is already running\n");
}

/// The engine's own is nearly always enough, and the doctor tells where it is not.
#[tokio::test(start_paused = true)]
async fn a_refused_limit_on_descriptors_is_left_out_without_a_word() {
    let engine = fresh();
    engine.world().lacking = Some("nofile");
    let screen = must_start(&engine, &two_ports()).await;
    assert_eq!((names(&engine), screen.err()), (all_run(), String::new()));
    let creations = engine.world().log.iter().filter(|call| call.starts_with("create ")).count();
    assert_eq!(creations, 4, "one of the backend, and no other sidecar learns it anew");
    let screen = must_start(&engine, &two_ports()).await;
    assert_eq!(screen.out(), "Backend \"docker-assemble-backend-ann\" is already running\n");
}

/// As docker's own commands tell it, once for each container that is made.
#[tokio::test(start_paused = true)]
async fn what_the_engine_says_of_a_new_container_is_told() {
    let engine = fresh();
    engine.world().warnings = vec!["Your kernel does not support swap limit capabilities.".to_owned()];
    let screen = must_start(&engine, &Desired { forwards: ports(&[]), ..wish() }).await;
    let said = "WARNING: the engine says of \"docker-assemble-backend-ann\": \
                Your kernel does not support swap limit capabilities.\n";
    assert_eq!(screen.err(), said);
    assert_eq!(must_start(&engine, &Desired { forwards: ports(&[]), ..wish() }).await.err(), "");
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_fails_is_fatal_only_without_the_image() {
    let always = Desired { pull: PullPolicy::Always, forwards: ports(&[]), ..wish() };
    let engine = fresh();
    let screen = must_start(&engine, &always).await;
    assert!(screen.err().starts_with("WARNING: could not pull image"), "{}", screen.err());

    let engine = FakeEngine::with_images(&[]);
    let (result, _) = run_start(&engine, &always, &Cancel::never()).await;
    assert!(result.unwrap_err().to_string().contains("no such host"));

    engine.world().registry = true;
    let screen = must_start(&engine, &always).await;
    let first = screen.out().lines().next().unwrap_or_default().to_owned();
    assert_eq!(first, format!("Pulling image {IMAGE}@sha256:d1: Success"));
    // A line for each change, however often the engine repeats itself.
    let said: Vec<_> =
        screen.err().lines().map(|line| line.replace(&format!("Pulling image {IMAGE}: "), "")).collect();
    assert_eq!(said, ["Pulling from x", "l1 Downloading", "l2 Downloading", "l1 Pull complete"]);
}
