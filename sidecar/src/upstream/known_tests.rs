use super::*;

const TTL: Duration = Duration::from_secs(5);

fn addr(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 80).into()
}

fn found(last: &[u8], ttl: Duration) -> Result<Found, Unresolved> {
    Ok(Found { addrs: last.iter().map(|n| addr(*n).ip()).collect(), ttl })
}

fn no_such_name() -> Unresolved {
    Unresolved::NoSuchName("db".parse().unwrap())
}

fn no_answer() -> Unresolved {
    Unresolved::NoAnswer { name: "db".parse().unwrap(), why: "silence".to_owned() }
}

/// A connection that comes at `now`.
fn come(known: &mut Known, now: Instant) -> Advice {
    known.advise(now, now)
}

fn answer(known: &mut Known, found: Result<Found, Unresolved>, now: Instant) -> bool {
    let news = known.answered(found, now);
    known.abandoned();
    news
}

fn uses(last: &[u8]) -> Advice {
    Advice::Use(last.iter().map(|n| addr(*n)).collect())
}

const ASK: Advice = Advice::Wait { ask: true, until: None };
const WAIT: Advice = Advice::Wait { ask: false, until: None };

#[test]
fn one_question_is_asked_for_all_and_its_answer_holds_for_its_time() {
    let (mut known, now) = (Known::new(80, None), Instant::now());
    assert_eq!(come(&mut known, now), ASK);
    assert_eq!(come(&mut known, now + TTL), WAIT);
    assert!(answer(&mut known, found(&[1], TTL), now));
    assert_eq!(come(&mut known, now + TTL - Duration::from_millis(1)), uses(&[1]));
    let Advice::Wait { ask: true, until } = come(&mut known, now + TTL) else { panic!("it has expired") };
    assert_eq!(until, Some(now + TTL + STALE_AFTER));
    assert!(answer(&mut known, found(&[2], TTL), now + TTL));
    assert_eq!(come(&mut known, now + TTL), uses(&[2]));
    assert!(!answer(&mut known, found(&[2], TTL), now + TTL));
}

#[test]
fn an_answer_of_no_duration_is_good_for_those_who_waited_for_it() {
    let (mut known, now) = (Known::new(80, None), Instant::now());
    assert_eq!(come(&mut known, now), ASK);
    answer(&mut known, found(&[1], Duration::ZERO), now + TTL);
    assert_eq!(known.advise(now + TTL, now), uses(&[1]));
    let later = now + TTL * 2;
    assert!(matches!(come(&mut known, later), Advice::Wait { ask: true, .. }));
}

#[test]
fn no_answer_is_believed_for_long() {
    let (mut known, now) = (Known::new(80, None), Instant::now());
    answer(&mut known, found(&[1], Duration::MAX), now);
    assert_eq!(come(&mut known, now + LONGEST - TTL), uses(&[1]));
    assert!(matches!(come(&mut known, now + LONGEST), Advice::Wait { ask: true, .. }));
}

/// A slow name service delays those few who come at the wrong moment, and them for a moment.
#[test]
fn an_old_answer_serves_while_nobody_gives_a_new_one() {
    let (mut known, now) = (Known::new(80, None), Instant::now());
    answer(&mut known, found(&[1], TTL), now);
    let asked = now + TTL;
    assert!(matches!(come(&mut known, asked), Advice::Wait { ask: true, .. }));
    assert_eq!(known.advise(asked + STALE_AFTER, asked), uses(&[1]));
    assert_eq!(come(&mut known, asked + STALE_AFTER), uses(&[1]));
    answer(&mut known, Err(no_answer()), asked + TTL);
    assert_eq!(come(&mut known, asked + TTL), uses(&[1]));
    // Asked again after a pause, and for no longer than reason allows.
    assert!(matches!(come(&mut known, asked + TTL + PAUSE), Advice::Wait { ask: true, until: Some(_) }));
    answer(&mut known, Err(no_answer()), asked + STALE);
    assert_eq!(come(&mut known, asked + STALE), Advice::Fail(no_answer()));
}

#[test]
fn a_name_that_is_gone_takes_its_addresses_along() {
    let (mut known, now) = (Known::new(80, None), Instant::now());
    answer(&mut known, found(&[1], Duration::ZERO), now);
    assert!(answer(&mut known, Err(no_such_name()), now));
    assert_eq!(come(&mut known, now), Advice::Fail(no_such_name()));
    assert_eq!(come(&mut known, now + PAUSE), ASK);
    assert!(!answer(&mut known, Err(no_such_name()), now + PAUSE));
    assert!(answer(&mut known, found(&[1], TTL), now + PAUSE * 2));
}

/// What somebody found some time ago is worth less than an answer, were it a late one.
#[test]
fn a_fallback_waits_until_the_name_service_has_failed() {
    for failure in [no_such_name(), no_answer()] {
        let (mut known, now) = (Known::new(80, Some(addr(9))), Instant::now());
        assert_eq!(come(&mut known, now), ASK);
        assert_eq!(known.now(), ([].into(), false));
        assert_eq!(known.advise(now + STALE_AFTER, now), WAIT);
        answer(&mut known, Err(failure.clone()), now + TTL);
        assert_eq!(known.advise(now + TTL, now), uses(&[9]));
        assert_eq!(known.now(), ([addr(9)].into(), false));
        // Nor is anybody kept waiting for each further question.
        let asked = now + TTL + PAUSE;
        let until = Some(asked + STALE_AFTER);
        assert_eq!(come(&mut known, asked), Advice::Wait { ask: true, until });
        assert_eq!(known.advise(asked + STALE_AFTER, asked), uses(&[9]));
    }
}

/// The name has moved since the fallback was found: nobody is sent to where it was, whatever becomes
/// of the name.
#[test]
fn a_fallback_is_forgotten_once_the_name_is_known() {
    for first in [1, 9] {
        let (mut known, now) = (Known::new(80, Some(addr(9))), Instant::now());
        answer(&mut known, found(&[first], TTL), now);
        assert_eq!((come(&mut known, now), known.fallback()), (uses(&[first]), None));
        answer(&mut known, Err(no_answer()), now + TTL);
        assert_eq!(come(&mut known, now + TTL), uses(&[first]));
        answer(&mut known, Err(no_such_name()), now + TTL);
        assert_eq!(come(&mut known, now + TTL), Advice::Fail(no_such_name()));
    }
}

#[test]
fn the_address_that_was_reached_goes_first() {
    let (mut known, now) = (Known::new(80, None), Instant::now());
    answer(&mut known, found(&[1, 2, 3], TTL), now);
    known.reached(addr(3));
    assert_eq!(come(&mut known, now), uses(&[3, 1, 2]));
    answer(&mut known, found(&[2, 1], TTL), now);
    assert_eq!(come(&mut known, now), uses(&[2, 1]));
}

#[test]
fn an_answer_that_leads_nowhere_is_doubted_unless_it_is_new() {
    let (mut known, now) = (Known::new(80, None), Instant::now());
    assert!(!known.doubt(now));
    answer(&mut known, found(&[1], TTL), now);
    assert!(!known.doubt(now));
    assert_eq!(come(&mut known, now), uses(&[1]));
    assert!(known.doubt(now + PAUSE));
    assert!(matches!(come(&mut known, now + PAUSE), Advice::Wait { ask: true, .. }));
}
