//! The resolver inside an environment: answers for the names of the rules, refuses all others.
//!
//! It reads one question and writes one answer (RFC 1035), by datagram and by stream. What names lead to, the host's resolver
//! says; addresses that are not public are left out, so that no name leads into the host or its network.

use std::{
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    sync::Semaphore,
    time::Instant,
};

use super::{
    names,
    outside::Outside,
    relay::{Gateway, Way},
    rules::{Rules, is_host_name},
};
use crate::{accepting, spec::Event};

/// Answers datagrams for as long as the task lives.
pub(super) async fn serve_datagrams(socket: UdpSocket, gateway: Arc<Gateway>) {
    let (socket, asking) = (Arc::new(socket), Arc::new(Semaphore::new(QUESTIONS_MAX)));
    let mut packet = [0_u8; PACKET_BYTES_MAX];
    loop {
        let (length, from) = match socket.recv_from(&mut packet).await {
            Ok(received) => received,
            Err(error) if accepting::passes(&error) => {
                tokio::time::sleep(accepting::PAUSE).await;
                continue;
            }
            Err(_) => return,
        };
        let Some(packet) = packet.get(..length) else { continue };
        let Some(question) = Question::read(packet) else { continue };
        // With too many questions open the asker tries again, as after any lost packet.
        let Ok(permit) = Arc::clone(&asking).try_acquire_owned() else { continue };
        let (socket, gateway, packet) = (Arc::clone(&socket), Arc::clone(&gateway), packet.to_vec());
        drop(tokio::spawn(async move {
            let _ = socket.send_to(&answer((&question, &packet), gateway.way()).await, from).await;
            drop(permit);
        }));
    }
}

/// Answers streams, one question each, for as long as the task lives.
pub(super) async fn serve_streams(listener: TcpListener, gateway: Arc<Gateway>) {
    let asking = Arc::new(Semaphore::new(QUESTIONS_MAX));
    while let Ok((stream, _)) = accepting::accept(&listener).await {
        let Ok(permit) = Arc::clone(&asking).try_acquire_owned() else { continue };
        let gateway = Arc::clone(&gateway);
        drop(tokio::spawn(async move {
            drop(tokio::time::timeout(names::TTL, serve_stream(stream, gateway.way())).await);
            drop(permit);
        }));
    }
}

async fn serve_stream(mut stream: impl AsyncRead + AsyncWrite + Unpin, way: &Way) -> io::Result<()> {
    let Some((question, packet)) = read(&mut stream).await? else { return Ok(()) };
    let answer = answer((&question, &packet), way).await;
    write(&mut stream, &answer).await
}

/// Answers one question, which came as one in a stream does, from somebody who asks this process.
pub(super) async fn serve_asked(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    outside: &Outside,
) -> io::Result<()> {
    let Some((question, _)) = read(stream).await? else { return Ok(()) };
    write(stream, &resolved(&question, outside).await).await
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Question, Vec<u8>)>> {
    let packet = read_packet(stream).await?;
    Ok(Question::read(&packet).map(|question| (question, packet)))
}

/// A packet with its length before it; of a longer one its beginning.
pub(super) async fn read_packet(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    let mut packet = vec![0_u8; length.min(PACKET_BYTES_MAX)];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}

/// The same way round.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), packet: &[u8]) -> io::Result<()> {
    stream.write_u16(u16::try_from(packet.len()).unwrap_or(u16::MAX)).await?;
    stream.write_all(packet).await
}

async fn answer((question, packet): (&Question, &[u8]), way: &Way) -> Vec<u8> {
    match way {
        Way::Here(outside) => resolved(question, outside).await,
        Way::Afar(afar) => match tokio::time::timeout(ASKED_LIMIT, afar.answer(packet)).await {
            Ok(Ok(answer)) => answer,
            _ => question.answer(SERVER_FAILURE, &[]),
        },
    }
}

async fn resolved(question: &Question, outside: &Outside) -> Vec<u8> {
    if !is_host_name(&question.name) || !outside.rules().know_name(&question.name) {
        outside.record(Event::NameRefused { name: question.name.clone() });
        return question.answer(REFUSED, &[]);
    }
    if question.kind != TYPE_A && question.kind != TYPE_AAAA {
        return question.answer(NO_ERROR, &[]);
    }
    // The dot keeps the host's search list out of it; names of one label are in the host's own files.
    let whole =
        if question.name.contains('.') { format!("{}.", question.name) } else { question.name.clone() };
    let found = tokio::time::timeout(LOOKUP_LIMIT, look_up(whole, outside)).await;
    let Ok(Ok(found)) = found else { return question.answer(SERVER_FAILURE, &[]) };
    let mut fit: Vec<IpAddr> = found.iter().copied().filter(|one| Rules::is_fit_for_names(*one)).collect();
    if fit.is_empty() && !found.is_empty() {
        // A name that leads into the host or its network.
        outside.record(Event::NameRefused { name: question.name.clone() });
        return question.answer(REFUSED, &[]);
    }
    fit.retain(|one| one.is_ipv4() == (question.kind == TYPE_A));
    fit.truncate(ADDRESSES_MAX);
    let now = Instant::now();
    outside.give(&question.name, &fit, now);
    question.answer(NO_ERROR, &fit)
}

/// Asks the host's resolver, which cannot be called off: whoever waits may give up, the places are held until it answers, so
/// that names whose servers are silent do not take every thread there is for blocking work.
async fn look_up(name: String, outside: &Outside) -> io::Result<Vec<IpAddr>> {
    let own = outside.lookups().acquire_owned().await.map_err(io::Error::other)?;
    let place = LOOKUPS.acquire().await.map_err(io::Error::other)?;
    let asked = tokio::task::spawn_blocking(move || {
        let _places = (own, place);
        let found = (name.as_str(), 0).to_socket_addrs()?;
        Ok(found.map(|address| address.ip().to_canonical()).collect())
    });
    asked.await.map_err(io::Error::other)?
}

/// Names that all environments together may have looked up at a time.
static LOOKUPS: Semaphore = Semaphore::const_new(32);

/// What a packet asks.
#[derive(Debug, Eq, PartialEq)]
struct Question {
    id: u16,
    /// In lower case, without the last dot.
    name: String,
    kind: u16,
    /// The question as it came: it is repeated in the answer.
    section: Vec<u8>,
}

impl Question {
    /// `None` where the packet is not one ordinary question of the internet class.
    fn read(packet: &[u8]) -> Option<Self> {
        let number =
            |at: usize| Some(u16::from_be_bytes(packet.get(at..at.checked_add(2)?)?.try_into().ok()?));
        let (id, flags, count) = (number(0)?, number(2)?, number(4)?);
        if flags & (IS_ANSWER | OPERATION) != 0 || count != 1 {
            return None;
        }
        let (mut at, mut name) = (HEADER_BYTES, String::new());
        loop {
            let length = usize::from(*packet.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            // Longer lengths are pointers, which a question has no use for.
            if length > LABEL_BYTES_MAX || name.len() + length > NAME_BYTES_MAX {
                return None;
            }
            let label = packet.get(at..at + length)?;
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            at += length;
        }
        let (kind, class) = (number(at)?, number(at + 2)?);
        let section = packet.get(HEADER_BYTES..at + 4)?.to_vec();
        (class == CLASS_INTERNET).then_some(Self { id, name, kind, section })
    }

    fn answer(&self, code: u16, addresses: &[IpAddr]) -> Vec<u8> {
        let count = u16::try_from(addresses.len()).unwrap_or(0);
        let mut packet = Vec::with_capacity(PACKET_BYTES_MAX);
        for number in [self.id, IS_ANSWER | RECURSION | code, 1, count, 0, 0] {
            packet.extend_from_slice(&number.to_be_bytes());
        }
        packet.extend_from_slice(&self.section);
        let ttl = u32::try_from(names::TTL.as_secs()).unwrap_or(0);
        for address in addresses {
            let octets = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            packet.extend_from_slice(&THE_NAME_ASKED_FOR);
            packet.extend_from_slice(&self.kind.to_be_bytes());
            packet.extend_from_slice(&CLASS_INTERNET.to_be_bytes());
            packet.extend_from_slice(&ttl.to_be_bytes());
            packet.extend_from_slice(&u16::try_from(octets.len()).unwrap_or(0).to_be_bytes());
            packet.extend_from_slice(&octets);
        }
        packet
    }
}

/// How long the host's resolver may take. Ours: what C libraries wait for one server.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);
/// How long whoever is asked may take: a little longer than the resolver there.
const ASKED_LIMIT: Duration = Duration::from_secs(10);
const HEADER_BYTES: usize = 12;
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;
/// Longest datagram without extensions (RFC 1035).
const PACKET_BYTES_MAX: usize = 512;
/// Addresses in one answer: with the longest question they fit into a datagram.
const ADDRESSES_MAX: usize = 8;
/// Questions being answered at once, of one environment and transport.
const QUESTIONS_MAX: usize = 8;
const IS_ANSWER: u16 = 0x8000;
const OPERATION: u16 = 0x7800;
/// Desired and available.
const RECURSION: u16 = 0x0180;
const NO_ERROR: u16 = 0;
const SERVER_FAILURE: u16 = 2;
const REFUSED: u16 = 5;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_INTERNET: u16 = 1;
/// A pointer to the question.
const THE_NAME_ASKED_FOR: [u8; 2] = [0xc0, 12];

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(name: &str, kind: u16) -> Vec<u8> {
        let mut packet = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            packet.push(u8::try_from(label.len()).unwrap());
            packet.extend_from_slice(label.as_bytes());
        }
        packet.push(0);
        packet.extend_from_slice(&kind.to_be_bytes());
        packet.extend_from_slice(&[0, 1]);
        packet
    }

    #[test]
    fn a_question_is_read_and_answered_in_its_own_words() {
        let asked = packet("Api.Example.com", TYPE_A);
        let question = Question::read(&asked).unwrap();
        assert_eq!((question.name.as_str(), question.kind, question.id), ("api.example.com", TYPE_A, 0xabcd));
        let answer = question.answer(NO_ERROR, &["192.0.2.7".parse().unwrap()]);
        assert_eq!(answer[..12], [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(answer[12..asked.len()], asked[12..]);
        assert_eq!(answer[asked.len()..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    }

    #[test]
    fn answers_fit_into_a_datagram() {
        let label = "a".repeat(60);
        let question = Question::read(&packet(&[label.as_str(); 4].join("."), TYPE_AAAA)).unwrap();
        let addresses = vec!["2001:db8::1".parse().unwrap(); ADDRESSES_MAX];
        assert!(question.answer(NO_ERROR, &addresses).len() <= PACKET_BYTES_MAX);
    }

    #[test]
    fn whatever_is_no_question_is_passed_over() {
        let good = packet("a.example.com", TYPE_A);
        for length in 0..good.len() {
            assert_eq!(Question::read(&good[..length]), None, "cut to {length}");
        }
        let mut answer = good.clone();
        answer[2] |= 0x80;
        let mut two = good.clone();
        two[5] = 2;
        let mut pointer = good.clone();
        pointer[12] = 0xc0;
        let mut class = good.clone();
        *class.last_mut().unwrap() = 3;
        for bad in [
            answer,
            two,
            pointer,
            class,
            vec![0xff; 512],
            packet(&["a".repeat(63).as_str(); 5].join("."), TYPE_A),
        ] {
            assert_eq!(Question::read(&bad), None);
        }
    }

    #[test]
    fn odd_bytes_make_names_that_no_rule_knows() {
        let question = Question::read(&packet("a\u{7f}b.example.com", TYPE_A)).unwrap();
        assert!(!is_host_name(&question.name));
    }
}
