//! The password proof of `USER_SRP_AUTH`: SRP-6a over the 3072-bit group with this vendor's own paddings and key derivation.
//! Arithmetic and hashing only; knows no users, sessions, clocks or texts.
//!
//! It is not RFC 5054: hashed integers are the *shortest two's-complement* bytes (no padding to the group's width), the
//! generator is 2, the session key is 16 bytes of an HKDF, and the server never proves itself. Everything that touches a
//! secret exponent uses the constant-time Montgomery form.

use std::sync::LazyLock;

use aws_lc_rs::{
    digest::{Context, SHA256},
    hmac,
};
use casemate_names::Secret;
use crypto_bigint::{
    BoxedUint, NonZero, Odd,
    modular::{BoxedMontyForm, BoxedMontyParams},
};

/// Bits of the group's modulus.
const GROUP_BITS: u32 = 3072;

/// Bytes of a group element.
pub const ELEMENT_BYTES: usize = 384;

/// Hexadecimal digits of the largest `SRP_A` that is looked at: the modulus has exactly this many.
pub const PUBLIC_HEX_MAX: usize = 768;

/// Bytes of a salt. The first is never zero: some clients strip leading zero bytes and some do not.
pub const SALT_BYTES: usize = 16;

/// Bytes of the server's ephemeral exponent.
pub const EXPONENT_BYTES: usize = 32;

/// RFC 3526, group 15 (the prime RFC 5054 uses for 3072 bits).
const MODULUS_HEX: &str = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7\
abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c\
bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a93ad2caffffffffffffffff";

/// Why a client's public value cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrpError {
    /// Not hexadecimal, empty, or longer than the modulus.
    Malformed,
    /// A ≡ 0 (mod N): would make the shared secret 0 for everyone.
    Degenerate,
}

/// The client's public value `A`, checked to be usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPublic {
    sent: BoxedUint,
}

struct Group {
    params: BoxedMontyParams,
    modulus: NonZero<BoxedUint>,
    /// k = H(P(N) ‖ P(g))
    multiplier: BoxedMontyForm,
    generator: BoxedMontyForm,
}

#[expect(
    clippy::expect_used,
    reason = "the modulus is a constant; that it is odd is what the first test shows"
)]
static GROUP: LazyLock<Group> = LazyLock::new(|| {
    let modulus =
        BoxedUint::from_be_slice_truncated(&hex::decode(MODULUS_HEX).unwrap_or_default(), GROUP_BITS);
    let k = hash(&[&signed_bytes(&modulus), &[2]]);
    let odd = Odd::new(modulus.clone()).into_option().expect("the modulus is odd");
    let params = BoxedMontyParams::new_vartime(odd);
    Group {
        multiplier: BoxedMontyForm::new(element(&k), &params),
        generator: BoxedMontyForm::new(element(&[2]), &params),
        modulus: NonZero::new(modulus).into_option().expect("the modulus is not zero"),
        params,
    }
});

impl ClientPublic {
    /// Parses `SRP_A`.
    pub fn parse(text: &str) -> Result<Self, SrpError> {
        if text.is_empty() || text.len() > PUBLIC_HEX_MAX {
            return Err(SrpError::Malformed);
        }
        let even = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
        let bytes = hex::decode(even).map_err(|_| SrpError::Malformed)?;
        Self::from_bytes(&bytes)
    }

    /// From the big-endian bytes that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SrpError> {
        let sent = BoxedUint::from_be_slice(bytes, GROUP_BITS).map_err(|_| SrpError::Malformed)?;
        // INVARIANT: without this check anyone signs in with S = 0.
        if bool::from(sent.rem_vartime(&GROUP.modulus).is_zero()) {
            return Err(SrpError::Degenerate);
        }
        Ok(Self { sent })
    }

    /// Big-endian bytes, [`ELEMENT_BYTES`] of them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sent.to_be_bytes().into_vec()
    }
}

/// v = g^x mod N with x = H( P(salt) ‖ H( poolName ‖ user ‖ ":" ‖ password ) ). `pool_name` is the pool id behind its
/// underscore. Costs one exponentiation.
pub fn verifier(pool_name: &str, user: &str, password: &str, salt: &[u8]) -> Secret<Vec<u8>> {
    let x = private_exponent(pool_name, user, password, salt);
    let v = GROUP.generator.pow_bounded_exp(&element(&x), 256).retrieve();
    Secret::new(v.to_be_bytes().into_vec())
}

fn private_exponent(pool_name: &str, user: &str, password: &str, salt: &[u8]) -> [u8; 32] {
    let inner = hash(&[pool_name.as_bytes(), user.as_bytes(), b":", password.as_bytes()]);
    hash(&[&signed_bytes(&element(salt)), &inner])
}

/// A stand-in verifier for a user who does not exist: a square, hence in the group, made from `seed` without the cost of an
/// exponentiation (a stored verifier costs none either).
pub fn simulated_verifier(seed: &[u8; 32]) -> Secret<Vec<u8>> {
    let root = BoxedMontyForm::new(element(&hash(&[b"casemate simulated verifier", seed])), &GROUP.params);
    let eighth = root.square().square().square();
    Secret::new(eighth.retrieve().to_be_bytes().into_vec())
}

/// B = (k·v + g^b) mod N, [`ELEMENT_BYTES`] big-endian bytes. Costs one exponentiation.
pub fn server_public(verifier: &Secret<Vec<u8>>, exponent: &Secret<Vec<u8>>) -> Vec<u8> {
    let masked = &GROUP.multiplier * &residue(verifier.expose());
    let power = GROUP.generator.pow_bounded_exp(&element(exponent.expose()), 256);
    (&masked + &power).retrieve().to_be_bytes().into_vec()
}

/// The 16 bytes both sides sign with. Costs two exponentiations.
///
/// # Errors
/// [`SrpError::Degenerate`] when u = 0, which would take the password out of the proof.
pub fn session_key(
    client: &ClientPublic,
    server_public: &[u8],
    verifier: &Secret<Vec<u8>>,
    exponent: &Secret<Vec<u8>>,
) -> Result<Secret<Vec<u8>>, SrpError> {
    let u = hash(&[&signed_bytes(&client.sent), &signed_bytes(&element(server_public))]);
    if u == [0; 32] {
        return Err(SrpError::Degenerate);
    }
    let a = BoxedMontyForm::new(reduced(&client.sent), &GROUP.params);
    let blinded = residue(verifier.expose()).pow_bounded_exp(&element(&u), 256);
    let shared = (&a * &blinded).pow_bounded_exp(&element(exponent.expose()), 256).retrieve();
    Ok(derive_key(&u, &signed_bytes(&shared)))
}

/// The client's side: A = g^a mod N, [`ELEMENT_BYTES`] big-endian bytes.
pub fn client_public(exponent: &Secret<Vec<u8>>) -> Vec<u8> {
    GROUP.generator.pow_bounded_exp(&element(exponent.expose()), 256).retrieve().to_be_bytes().into_vec()
}

/// The client's side of [`session_key`]: S = (B − k·g^x)^(a + u·x). `password_hash` is what [`client_secret`] gave.
///
/// # Errors
/// [`SrpError::Degenerate`] when B ≡ 0 or u = 0: the server is not honest.
pub fn client_session_key(
    exponent: &Secret<Vec<u8>>,
    server_public: &[u8],
    password_hash: &Secret<Vec<u8>>,
) -> Result<Secret<Vec<u8>>, SrpError> {
    let sent = element(server_public);
    let u = hash(&[&signed_bytes(&element(&client_public(exponent))), &signed_bytes(&sent)]);
    if bool::from(sent.rem_vartime(&GROUP.modulus).is_zero()) || u == [0; 32] {
        return Err(SrpError::Degenerate);
    }
    let x = element(password_hash.expose());
    let masked = &GROUP.multiplier * &GROUP.generator.pow_bounded_exp(&x, 256);
    let base = &BoxedMontyForm::new(reduced(&sent), &GROUP.params) - &masked;
    let by_exponent = base.pow_bounded_exp(&element(exponent.expose()), 256);
    let by_password = base.pow_bounded_exp(&element(&u), 256).pow_bounded_exp(&x, 256);
    let shared = (&by_exponent * &by_password).retrieve();
    Ok(derive_key(&u, &signed_bytes(&shared)))
}

/// The client's private x: what of the password enters the proof.
pub fn client_secret(pool_name: &str, user: &str, password: &str, salt: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(private_exponent(pool_name, user, password, salt).to_vec())
}

/// M1 = HMAC(key, poolName ‖ user ‖ secret block ‖ timestamp).
pub fn claim(
    key: &Secret<Vec<u8>>,
    pool_name: &str,
    user: &str,
    block: &[u8],
    timestamp: &str,
) -> Secret<Vec<u8>> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()));
    for part in [pool_name.as_bytes(), user.as_bytes(), block, timestamp.as_bytes()] {
        context.update(part);
    }
    Secret::new(context.sign().as_ref().to_vec())
}

/// Makes bytes into a legal salt: the first byte is never zero.
pub fn salt(mut bytes: [u8; SALT_BYTES]) -> [u8; SALT_BYTES] {
    if let Some(first) = bytes.first_mut().filter(|first| **first == 0) {
        *first = 0x5a;
    }
    bytes
}

/// Lower-case hexadecimal without leading zero digits, as both sides print integers.
pub fn integer_hex(bytes: &[u8]) -> String {
    let text = hex::encode(bytes);
    let trimmed = text.trim_start_matches('0');
    if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() }
}

fn derive_key(u: &[u8; 32], shared: &[u8]) -> Secret<Vec<u8>> {
    let salt = signed_bytes(&element(u));
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt), shared);
    let expanded =
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()), b"Caldera Derived Key\x01");
    Secret::new(expanded.as_ref().iter().take(16).copied().collect())
}

fn element(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_truncated(bytes, GROUP_BITS)
}

fn residue(bytes: &[u8]) -> BoxedMontyForm {
    BoxedMontyForm::new(reduced(&element(bytes)), &GROUP.params)
}

fn reduced(value: &BoxedUint) -> BoxedUint {
    value.rem_vartime(&GROUP.modulus)
}

/// P(n): shortest big-endian two's-complement bytes of a non-negative integer.
fn signed_bytes(value: &BoxedUint) -> Vec<u8> {
    let all = value.to_be_bytes();
    let start = all.iter().position(|byte| *byte != 0).unwrap_or(all.len().saturating_sub(1));
    let significant = all.get(start..).unwrap_or_default();
    let mut bytes = Vec::with_capacity(significant.len() + 1);
    if significant.first().is_some_and(|first| first & 0x80 != 0) {
        bytes.push(0);
    }
    bytes.extend_from_slice(significant);
    bytes
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    const POOL: &str = "AbCdEfGhI";
    const USER: &str = "7f3c2b1a-0001-4002-8003-000000000001";
    const PASSWORD: &str = "Correct-Horse-1!";

    fn sha_hex(bytes: &[u8]) -> String {
        hex::encode(hash(&[integer_hex(bytes).as_bytes()]))
    }

    fn known_salt() -> Vec<u8> {
        let mut salt = vec![0x22; 16];
        salt[0] = 0xa1;
        salt
    }

    fn known_client() -> ClientPublic {
        let a = GROUP.generator.pow_bounded_exp(&element(&[0x11; 32]), 256).retrieve();
        ClientPublic::parse(&integer_hex(&a.to_be_bytes())).unwrap()
    }

    #[test]
    fn our_client_and_server_agree_and_a_dishonest_server_is_refused() {
        let (a, b) = (Secret::new(vec![0x11; 32]), Secret::new(vec![0x33; 32]));
        let v = verifier(POOL, USER, PASSWORD, &known_salt());
        let public = server_public(&v, &b);
        let client = ClientPublic::from_bytes(&client_public(&a)).unwrap();
        let theirs = session_key(&client, &public, &v, &b).unwrap();
        let x = client_secret(POOL, USER, PASSWORD, &known_salt());
        assert_eq!(client_session_key(&a, &public, &x).unwrap(), theirs);
        let wrong = client_secret(POOL, USER, "Wrong-Horse-1!", &known_salt());
        assert_ne!(client_session_key(&a, &public, &wrong).unwrap(), theirs);
        assert_eq!(client_session_key(&a, &[0], &x), Err(SrpError::Degenerate));
    }

    #[test]
    fn multiplier_is_the_published_one() {
        assert_eq!(
            hex::encode(&GROUP.multiplier.retrieve().to_be_bytes()[ELEMENT_BYTES - 32..]),
            "538282c4354742d7cbbde2359fcf67f9f5b3a6b08791e5011b43b8a5b66d9ee6"
        );
    }

    #[test]
    fn known_answer_vector_agrees_with_a_real_client() {
        let x = private_exponent(POOL, USER, PASSWORD, &known_salt());
        assert_eq!(hex::encode(x), "208eabb002bd28138f49998f3b5724d0dd8d4ad12781d718cb97bc0cee8f2e12");
        let v = verifier(POOL, USER, PASSWORD, &known_salt());
        assert_eq!(sha_hex(v.expose()), "76fcbe66cffb3d829c13625eb064e8609b4fb6ead39b24a8d03c189ae6bff0c0");
        let client = known_client();
        let a = client.to_bytes();
        assert_eq!(sha_hex(&a), "99f14375d9cdbb6a94ee1804aa89f307dd0cdc5c3a8002a9d24a1012a9d5e1a1");
        let b = Secret::new(vec![0x33; 32]);
        let public = server_public(&v, &b);
        assert_eq!(sha_hex(&public), "a248708843c3b4f4342e3b20ab9cce7beab6f64cb1463e7d05ba381c1c3362c8");
        let key = session_key(&client, &public, &v, &b).unwrap();
        assert_eq!(hex::encode(key.expose()), "d3777d16ab6dcdf4bf686e3fc1a6f676");
        let proof = claim(&key, POOL, USER, b"secret-block-0123", "Mon Nov 23 12:00:00 UTC 2026");
        assert_eq!(STANDARD.encode(proof.expose()), "V0oeMchLZjV7hktdEZG/6fiK2RyilRwaKubjDnhdzto=");
    }

    #[test]
    fn public_value_congruent_to_zero_is_refused() {
        for text in ["0", "00", MODULUS_HEX] {
            assert_eq!(ClientPublic::parse(text), Err(SrpError::Degenerate), "{text}");
        }
    }

    #[test]
    fn oversize_empty_and_non_hexadecimal_public_values_are_refused() {
        let twice_the_modulus = format!("1{}e", MODULUS_HEX.chars().take(767).collect::<String>());
        for text in ["", "xyz", "-1", &twice_the_modulus, &"f".repeat(769)] {
            assert_eq!(ClientPublic::parse(text), Err(SrpError::Malformed));
        }
    }

    #[test]
    fn wrong_password_gives_another_key() {
        let b = Secret::new(vec![0x33; 32]);
        let right = verifier(POOL, USER, PASSWORD, &known_salt());
        let wrong = verifier(POOL, USER, "Correct-Horse-1?", &known_salt());
        let public = server_public(&right, &b);
        assert_ne!(
            session_key(&known_client(), &public, &right, &b).unwrap(),
            session_key(&known_client(), &public, &wrong, &b).unwrap()
        );
    }

    #[test]
    fn integers_are_hashed_as_shortest_twos_complement() {
        assert_eq!(signed_bytes(&element(&[0, 0, 0x7f])), [0x7f]);
        assert_eq!(signed_bytes(&element(&[0x80])), [0, 0x80]);
        assert_eq!(signed_bytes(&element(&[])), [0]);
    }

    #[test]
    fn salts_never_begin_with_zero() {
        assert_ne!(salt([0; SALT_BYTES])[0], 0);
        assert_eq!(salt([7; SALT_BYTES]), [7; SALT_BYTES]);
    }
}
