use super::*;

const TO: Loopback = Loopback { ipv6: false, port: 5000 };
const OTHER: Loopback = Loopback { ipv6: true, port: 5000 };

fn sockets(count: u8) -> Vec<OwnedFd> {
    (0..count).map(|_| io::pipe().unwrap().0.into()).collect()
}

fn later(pool: &mut Pool, now: Instant) -> oneshot::Receiver<Answer> {
    match pool.take(TO, now) {
        Some(Taken::Later(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn expect_order(pool: &mut Pool, to: Loopback, count: u8) {
    assert_eq!(pool.next_order(), Some(Order { to, count }));
}

#[test]
fn who_comes_alone_is_asked_for_alone() {
    let (mut pool, mut now) = (Pool::default(), Instant::now());
    for _ in 0..3 {
        let mut answer = later(&mut pool, now);
        expect_order(&mut pool, TO, 1);
        pool.answered(Reply::Granted, sockets(1), now).unwrap();
        assert!(answer.try_recv().unwrap().is_ok());
        assert!(!pool.has_orders());
        now += SOON;
    }
}

/// Until as many are here as go with a packet; then the next ones are on their way before the last is gone.
#[test]
fn where_they_go_fast_they_are_asked_for_ahead() {
    let (mut pool, now) = (Pool::default(), Instant::now());
    let mut counts = Vec::new();
    for _ in 0..100 {
        let taken = pool.take(TO, now).unwrap();
        while let Some(order) = pool.next_order() {
            counts.push(order.count);
            pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
        }
        let is_later = matches!(taken, Taken::Later(_));
        assert_eq!(is_later, counts.len() <= 2, "the others were here");
    }
    assert_eq!(counts[..5], [1, 2, 4, 8, 16]);
    assert!(counts[5..].iter().all(|count| *count == MOST), "{counts:?}");
    assert!(pool.stock <= 24, "{pool:?}");
    // What is left serves until it is gone.
    let late = now + SOON;
    let left = pool.stock;
    for _ in 0..left {
        assert!(matches!(pool.take(TO, late), Some(Taken::Here(_))));
    }
    assert!(!pool.has_orders());
    drop(later(&mut pool, late));
    expect_order(&mut pool, TO, 1);
}

#[test]
fn many_who_wait_are_served_in_their_order() {
    let (mut pool, now) = (Pool::default(), Instant::now());
    let mut answers: Vec<_> = (0..40).map(|_| later(&mut pool, now)).collect();
    // Whoever has gone leaves his to the next.
    drop(answers.remove(1));
    let mut served = 0;
    while let Some(order) = pool.next_order() {
        pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
        let more = order.count.into();
        for answer in answers.iter_mut().skip(served).take(more) {
            assert!(answer.try_recv().unwrap().is_ok());
        }
        served += more;
        assert!(answers.iter_mut().skip(served).all(|answer| answer.try_recv().is_err()));
    }
    assert!(served >= 39, "{served}");
}

#[test]
fn an_answer_with_fewer_is_made_up_for() {
    let (mut pool, now) = (Pool::default(), Instant::now());
    let mut answers: Vec<_> = (0..3).map(|_| later(&mut pool, now)).collect();
    expect_order(&mut pool, TO, 7);
    pool.answered(Reply::Granted, sockets(1), now).unwrap();
    expect_order(&mut pool, TO, 2);
    pool.answered(Reply::Failed(24), vec![], now).unwrap();
    let answers: Vec<_> = answers.iter_mut().map(|answer| answer.try_recv().unwrap().is_ok()).collect();
    assert_eq!(answers, [true, false, false]);
    assert_eq!((pool.has_orders(), pool.stock), (false, 0));
}

#[test]
fn each_port_and_address_has_its_own() {
    let (mut pool, now) = (Pool::default(), Instant::now());
    let mut first = later(&mut pool, now);
    let Some(Taken::Later(mut second)) = pool.take(OTHER, now) else { panic!() };
    expect_order(&mut pool, TO, 1);
    expect_order(&mut pool, OTHER, 1);
    pool.answered(Reply::NotAllowed, vec![], now).unwrap();
    assert!(matches!(first.try_recv(), Ok(Err(DialerError::NotAllowed(5000)))));
    pool.answered(Reply::Granted, sockets(1), now).unwrap();
    assert!(second.try_recv().unwrap().is_ok());
}

#[test]
fn no_more_than_so_many_are_asked_for_ahead() {
    let (mut pool, now) = (Pool::default(), Instant::now());
    for port in 1..=100 {
        for _ in 0..20 {
            pool.take(Loopback { ipv6: false, port }, now).unwrap();
            while let Some(order) = pool.next_order() {
                pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
            }
        }
    }
    assert!(pool.stock <= SPARE, "{}", pool.stock);
    // What nobody has used for a while makes room.
    let late = now + SOON;
    let taken: Vec<_> = (0..3).map(|_| pool.take(OTHER, late).unwrap()).collect();
    let counts: Vec<_> = std::iter::from_fn(|| pool.next_order().map(|order| order.count)).collect();
    assert_eq!((counts, pool.stock), (vec![7], 7), "{taken:?}");
}

/// As after a pause of the dialer: what everybody was asked for who has given up is not kept.
#[test]
fn what_comes_for_those_who_have_gone_is_not_piled_up() {
    let (mut pool, now) = (Pool::default(), Instant::now());
    for n in 0..1000 {
        drop(later(&mut pool, now + SOON * n));
    }
    assert!(pool.stock < 100, "{}", pool.stock);
    while let Some(order) = pool.next_order() {
        pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
    }
    assert!(pool.stock <= 24, "{}", pool.stock);
    for port in 1..1000 {
        let to = Loopback { ipv6: false, port };
        drop(pool.take(to, now));
        expect_order(&mut pool, to, 1);
        pool.answered(Reply::Granted, sockets(1), now).unwrap();
    }
    assert!(pool.stock <= SPARE, "{}", pool.stock);
}

/// Near the limit of descriptors the next client may be served though many were not.
#[test]
fn after_a_failure_one_is_asked_for() {
    let (mut pool, now) = (Pool::default(), Instant::now());
    let many: Vec<_> = (0..40).map(|_| later(&mut pool, now)).collect();
    while pool.next_order().is_some() {
        pool.answered(Reply::Failed(24), vec![], now).unwrap();
    }
    assert_eq!(pool.stock, 0);
    let _next = later(&mut pool, now);
    expect_order(&mut pool, TO, 1);
    drop(many);
}

#[test]
fn an_answer_that_was_not_asked_for_is_none() {
    let granted = |count| (Reply::Granted, sockets(count));
    assert_eq!(Pool::default().answered(Reply::Granted, sockets(1), Instant::now()), Err(Malformed));
    let wrong = [
        granted(0),
        granted(2),
        (Reply::Failed(1), sockets(1)),
        (Reply::NotAllowed, sockets(1)),
        (Reply::Healthy, vec![]),
        (Reply::Malformed, vec![]),
    ];
    for (reply, sockets) in wrong {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let _answer = later(&mut pool, now);
        expect_order(&mut pool, TO, 1);
        assert_eq!(pool.answered(reply, sockets, now), Err(Malformed), "{reply:?}");
    }
}

#[test]
fn nobody_takes_anything_from_what_has_ended() {
    let (mut pool, now) = (Pool::default(), Instant::now());
    let _answer = later(&mut pool, now);
    assert_eq!(pool.end().len(), 1);
    assert!(pool.take(TO, now).is_none());
}
