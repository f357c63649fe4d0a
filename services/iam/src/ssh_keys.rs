//! RSA public keys in the two encodings people have them in: a line of SSH and PEM. Refuses to know whose they are.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_x509::{
    der::{BIT_STRING, INTEGER, SEQUENCE, element, made, only},
    pem,
};

/// Bytes of a modulus.
// AWS: IAM User Guide, "Use SSH keys with CodeCommit": at least 2048 bits. The upper bound is ours.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=2048;
const NAME: &[u8] = b"ssh-rsa";
const LABEL: &str = "PUBLIC KEY";
/// The algorithm identifier of RSA with its parameter NULL (RFC 3279 §2.3.1).
const RSA: [u8; 15] = [SEQUENCE, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// Neither of the two encodings.
    Encoding,
    /// An encoding of something that is no RSA key of a permitted length.
    Key,
}

/// An RSA public key: exponent and modulus, unsigned and without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    exponent: Vec<u8>,
    modulus: Vec<u8>,
}

impl PublicKey {
    /// Reads either encoding.
    pub(crate) fn parse(text: &str) -> Result<Self, Rejected> {
        let text = text.trim();
        if text.starts_with("-----BEGIN ") {
            let der = pem::body(text, LABEL).ok_or(Rejected::Encoding)?;
            return Self::from_der(der.expose()).ok_or(Rejected::Key)?.checked();
        }
        let mut words = text.split_ascii_whitespace();
        let (Some("ssh-rsa"), Some(body)) = (words.next(), words.next()) else {
            return Err(Rejected::Encoding);
        };
        Self::from_blob(&STANDARD.decode(body).map_err(|_| Rejected::Encoding)?).ok_or(Rejected::Key)
    }

    /// Reads what [`PublicKey::blob`] wrote.
    // RFC 4253 §6.6: string "ssh-rsa", mpint e, mpint n.
    pub(crate) fn from_blob(blob: &[u8]) -> Option<Self> {
        let (name, rest) = part(blob)?;
        let (exponent, rest) = part(rest)?;
        let (modulus, []) = part(rest)? else { return None };
        let key = Self { exponent: unsigned(exponent)?, modulus: unsigned(modulus)? };
        (name == NAME).then_some(key)?.checked().ok()
    }

    fn checked(self) -> Result<Self, Rejected> {
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        // 256 bytes are 2048 bits only with the highest of them set.
        let long = self.modulus.len() > *MODULUS_BYTES.start()
            || self.modulus.first().is_some_and(|byte| *byte >= 0x80);
        let right = MODULUS_BYTES.contains(&self.modulus.len())
            && long
            && self.exponent.len() <= 8
            && odd(&self.exponent)
            && odd(&self.modulus)
            && self.exponent != [1];
        if right { Ok(self) } else { Err(Rejected::Key) }
    }

    /// `SubjectPublicKeyInfo`.
    fn from_der(der: &[u8]) -> Option<Self> {
        let bits = only(only(der, SEQUENCE)?.strip_prefix(&RSA)?, BIT_STRING)?;
        let modulus = element(only(bits.strip_prefix(&[0])?, SEQUENCE)?, INTEGER)?;
        let exponent = only(modulus.rest, INTEGER)?;
        Some(Self { exponent: unsigned(exponent)?, modulus: unsigned(modulus.content)? })
    }

    /// As SSH encodes it.
    pub(crate) fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        for bytes in [NAME.to_vec(), signed(&self.exponent), signed(&self.modulus)] {
            // Bounded far below by `checked`.
            blob.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            blob.extend(bytes);
        }
        blob
    }

    /// `ssh-rsa …`
    pub(crate) fn line(&self) -> String {
        format!("ssh-rsa {}", STANDARD.encode(self.blob()))
    }

    /// As PEM.
    pub(crate) fn pem(&self) -> String {
        pem::encoded(LABEL, &self.to_der().unwrap_or_default())
    }

    /// `None` for a key that is too long for it, which `checked` has refused.
    fn to_der(&self) -> Option<Vec<u8>> {
        let numbers =
            [made(INTEGER, &signed(&self.modulus))?, made(INTEGER, &signed(&self.exponent))?].concat();
        let bits = [vec![0], made(SEQUENCE, &numbers)?].concat();
        made(SEQUENCE, &[RSA.to_vec(), made(BIT_STRING, &bits)?].concat())
    }

    /// MD5 of the key as SSH encodes it, in pairs of digits: names it, and protects nothing.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = md5(&self.blob());
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
    }
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(bytes).into()
}

/// Splits a part with its length off.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// A positive number without the zero that shows its sign.
fn unsigned(number: &[u8]) -> Option<Vec<u8>> {
    match number {
        [] => None,
        [0, rest @ ..] => rest.first().is_some_and(|byte| *byte >= 0x80).then(|| rest.to_vec()),
        [first, ..] => (*first < 0x80).then(|| number.to_vec()),
    }
}

/// The same with the zero, where it is needed.
fn signed(number: &[u8]) -> Vec<u8> {
    let zero = number.first().is_some_and(|byte| *byte >= 0x80);
    std::iter::repeat_n(0, usize::from(zero)).chain(number.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by ssh-keygen and converted by `ssh-keygen -e -m PKCS8`; the fingerprint by `ssh-keygen -l -E md5`.
    const SSH: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDbeasYDFMSu4k2u+ZXPaCWtIHq0XpMkwg0I4jPpunmip8D7F4kSK3j4atUBmn44a9s4vdYje+AX9lWwqycsUz0SoN8ruesMIdZf19jbzd9vrvhMm+DE/fEi/zEAgmSThhHoAcOEwextehuoIlfBtx/BoEc/tbz93gdi+vIdI5n2wsUwEiT8xcfplJlIq2ozwi4N/TNyMqV7fFg0r392xhbtaXPtD3/l1lbEZUPy1i3KrIfFjk2tUzLUIAAD54wSTM35ZUgluGC6xW58bWFpkY2u5B92rSPtI6MMfUGbQwCnYS2ODeIoA6Yrib/C53ggEFj+6ooj2xqXPSiKFtXO+Fd comment";
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA23mrGAxTEruJNrvmVz2g\n\
        lrSB6tF6TJMINCOIz6bp5oqfA+xeJEit4+GrVAZp+OGvbOL3WI3vgF/ZVsKsnLFM\n\
        9EqDfK7nrDCHWX9fY283fb674TJvgxP3xIv8xAIJkk4YR6AHDhMHsbXobqCJXwbc\n\
        fwaBHP7W8/d4HYvryHSOZ9sLFMBIk/MXH6ZSZSKtqM8IuDf0zcjKle3xYNK9/dsY\n\
        W7Wlz7Q9/5dZWxGVD8tYtyqyHxY5NrVMy1CAAA+eMEkzN+WVIJbhgusVufG1haZG\n\
        NruQfdq0j7SOjDH1Bm0MAp2Etjg3iKAOmK4m/wud4IBBY/uqKI9salz0oihbVzvh\n\
        XQIDAQAB\n\
        -----END PUBLIC KEY-----";
    const FINGERPRINT: &str = "0d:87:42:08:dd:44:36:c7:9e:97:fb:d9:47:65:51:4d";

    #[test]
    fn both_encodings_name_the_same_key() {
        let key = PublicKey::parse(SSH).unwrap();
        assert_eq!(PublicKey::parse(PEM).unwrap(), key);
        assert_eq!(key.pem(), PEM);
        assert!(SSH.starts_with(&key.line()));
        assert_eq!(key.fingerprint(), FINGERPRINT);
        assert_eq!(PublicKey::from_blob(&key.blob()), Some(key));
    }

    #[test]
    fn what_is_no_rsa_key_of_2048_bits_is_refused() {
        let key = PublicKey::parse(SSH).unwrap();
        let line = |exponent: &[u8], modulus: &[u8]| {
            PublicKey { exponent: exponent.to_vec(), modulus: modulus.to_vec() }.line()
        };
        let short = key.modulus.get(..255).unwrap();
        let bits_2047 = [&[0x7f], key.modulus.get(1..).unwrap()].concat();
        let bits_2049 = [&[0x01], &*key.modulus].concat();
        assert!(PublicKey::parse(&line(&[3], &bits_2049)).is_ok());
        for text in [
            line(&[3], short),
            line(&[3], &bits_2047),
            line(&[1], &key.modulus),
            line(&[4], &key.modulus),
            line(&[1; 9], &key.modulus),
            line(&[3], &[0xff; 2050]),
            "ssh-rsa AAAA".to_owned(),
            SSH.replacen("AAAAB3", "AAAAB4", 1),
            PEM.replacen("MIIB", "MIIC", 1),
        ] {
            assert_eq!(PublicKey::parse(&text), Err(Rejected::Key), "{text}");
        }
        for text in ["", "ssh-rsa", "ssh-ed25519 AAAA", "ssh-rsa !!!!", "-----BEGIN PUBLIC KEY-----", "key"] {
            assert_eq!(PublicKey::parse(text), Err(Rejected::Encoding), "{text}");
        }
    }
}
