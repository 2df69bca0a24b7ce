//! Questions to a name server and its answers (RFC 1035). Pure.

use std::net::IpAddr;
use std::time::Duration;

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::{A, Aaaa, Cname};

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V6,
    V4,
}

/// One question, ready to be sent.
#[derive(Clone, Debug)]
pub struct Question(Message<Vec<u8>>);

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// These addresses, none where the name has none of the family, for so long.
    Addresses(Vec<IpAddr>, Duration),
    NoSuchName,
    /// The answer did not fit: it is to be asked for over TCP.
    Truncated,
    /// The server cannot or will not tell.
    Failed(Rcode),
}

impl Question {
    /// Asks for a whole name; `None` for one that cannot be asked for.
    #[must_use]
    pub fn new(name: &str, family: Family, id: u16) -> Option<Self> {
        let name = Name::vec_from_str(name).ok()?;
        let rtype = match family {
            Family::V6 => Rtype::AAAA,
            Family::V4 => Rtype::A,
        };
        let mut message = MessageBuilder::from_target(Vec::new()).ok()?.question();
        message.header_mut().set_id(id);
        message.header_mut().set_rd(true);
        message.push((&name, rtype)).ok()?;
        Message::from_octets(message.finish()).ok().map(Self)
    }

    /// As it goes over the wire.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Reads what came; `None` for what is no answer to this question.
    #[must_use]
    pub fn reply(&self, bytes: &[u8]) -> Option<Reply> {
        let message = Message::from_slice(bytes).ok().filter(|message| message.is_answer(&self.0))?;
        let header = message.header();
        if header.tc() {
            return Some(Reply::Truncated);
        }
        match header.rcode() {
            Rcode::NOERROR => {}
            Rcode::NXDOMAIN => return Some(Reply::NoSuchName),
            other => return Some(Reply::Failed(other)),
        }
        let name = message.canonical_name()?;
        let answer = message.answer().ok()?;
        let mut least = u32::MAX;
        let mut addrs: Vec<IpAddr> = Vec::new();
        for alias in answer.limit_to_in::<Cname<_>>() {
            least = least.min(alias.ok()?.ttl().as_secs());
        }
        for record in answer.limit_to_in::<A>() {
            let record = record.ok()?;
            if *record.owner() == name {
                least = least.min(record.ttl().as_secs());
                addrs.push(record.data().addr().into());
            }
        }
        for record in answer.limit_to_in::<Aaaa>() {
            let record = record.ok()?;
            if *record.owner() == name {
                least = least.min(record.ttl().as_secs());
                addrs.push(record.data().addr().into());
            }
        }
        Some(Reply::Addresses(addrs, Duration::from_secs(least.into())))
    }
}

#[cfg(test)]
mod tests {
    use domain::base::Ttl;
    use proptest::prelude::*;

    use super::*;

    fn question() -> Question {
        Question::new("db.example", Family::V4, 7).unwrap()
    }

    /// An answer with an alias and two addresses of what it leads to, one of another name.
    fn answer() -> Vec<u8> {
        let name = |text| Name::<Vec<u8>>::vec_from_str(text).unwrap();
        let builder = MessageBuilder::from_target(Vec::new()).unwrap();
        let mut answer = builder.start_answer(&question().0, Rcode::NOERROR).unwrap();
        let ttl = Ttl::from_secs;
        answer.push((name("DB.example"), ttl(30), Cname::new(name("a.example")))).unwrap();
        answer.push((name("a.example"), ttl(60), A::from_octets(192, 0, 2, 7))).unwrap();
        answer.push((name("b.example"), ttl(1), A::from_octets(192, 0, 2, 66))).unwrap();
        answer.push((name("a.example"), ttl(50), A::from_octets(192, 0, 2, 8))).unwrap();
        answer.finish()
    }

    #[test]
    fn aliases_are_followed_and_the_shortest_time_counts() {
        let addrs = ["192.0.2.7", "192.0.2.8"].map(|ip| ip.parse().unwrap()).to_vec();
        assert_eq!(question().reply(&answer()), Some(Reply::Addresses(addrs, Duration::from_secs(30))));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let other = |name, family, id| Question::new(name, family, id).unwrap().reply(&answer());
        assert_eq!(other("db.example", Family::V4, 8), None);
        assert_eq!(other("db.example", Family::V6, 7), None);
        assert_eq!(other("dc.example", Family::V4, 7), None);
        assert_eq!(question().reply(question().bytes()), None);
    }

    #[test]
    fn headers_say_what_is_the_matter() {
        let with = |byte: usize, value: u8| {
            let mut answer = answer();
            answer[byte] |= value;
            question().reply(&answer)
        };
        assert_eq!(with(2, 0b10), Some(Reply::Truncated));
        assert_eq!(with(3, 3), Some(Reply::NoSuchName));
        assert_eq!(with(3, 2), Some(Reply::Failed(Rcode::SERVFAIL)));
    }

    proptest! {
        /// Whatever a server sends, it is no panic and no endless work.
        #[test]
        fn garbage_is_survived(flips in prop::collection::vec((0..120_usize, any::<u8>()), 0..20), cut in 0..120_usize) {
            let mut bytes = answer();
            let length = bytes.len();
            for (at, value) in flips {
                bytes[at % length] = value;
            }
            let _ = question().reply(&bytes);
            let _ = question().reply(&bytes[..cut.min(length)]);
        }
    }
}
