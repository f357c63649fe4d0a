//! Signed packages: a manifest of everything that will be unpacked, and one signature over the manifest. Knows neither
//! functions nor whom they trust.
//!
//! ```text
//! .casemate/manifest.json  {"format":1,"profile":"<ARN>","entries":[{"name":…,"kind":…,"sha256":…},…]}
//! .casemate/signature      Ed25519 over "casemate package 1\n" and the manifest's bytes
//! ```
//! Whoever checks compares the manifest with the package's plan, which is what is unpacked: names, kinds (execute bits
//! included) and contents. Anything that is not in it, lacks, or differs is a broken signature.
//!
//! DIVERGES: the format of a signed package is ours: AWS Signer's is not public.

use std::{
    fmt,
    io::{Cursor, Write},
};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::package::{
    PackageError,
    listing::{self, Listing, MANIFEST, SIGNATURE},
};

/// The only format there is.
const FORMAT: u32 = 1;
/// What is signed begins with this: a signature made for anything else is none.
const PURPOSE: &[u8] = b"casemate package 1\n";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    /// The ARN of the signing profile version.
    profile: String,
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    kind: String,
    sha256: String,
}

/// What a package says of who made it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// Nothing.
    None,
    /// This profile version signed it, in a form that can be checked.
    By(String),
    /// Something, but it does not fit the package.
    Broken(&'static str),
}

/// A package that was read for its signature.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) seal: Seal,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// Reads a package's signature and compares the manifest with what would be unpacked. Whose signature it is
/// [`Sealed::is_of`] says.
pub(crate) fn read(archive: &[u8]) -> Result<Sealed, PackageError> {
    let listing = listing::list(archive)?;
    let seal = fits(&listing);
    let Listing { manifest, signature, .. } = listing;
    let mut signed = PURPOSE.to_vec();
    signed.extend(manifest.unwrap_or_default());
    Ok(Sealed { seal, signed, signature: signature.unwrap_or_default() })
}

fn fits(listing: &Listing) -> Seal {
    let (manifest, signature) = match (&listing.manifest, &listing.signature) {
        (None, None) => return Seal::None,
        (Some(manifest), Some(signature)) => (manifest, signature),
        _ => return Seal::Broken("it has a manifest or a signature, not both"),
    };
    if !listing.is_consistent {
        return Seal::Broken("the archive contradicts itself");
    }
    if signature.len() != listing::SIGNATURE_BYTES {
        return Seal::Broken("the signature is too short");
    }
    let Ok(Manifest { format: FORMAT, profile, entries }) = serde_json::from_slice(manifest) else {
        return Seal::Broken("the manifest cannot be read");
    };
    if entries != entries_of(listing) {
        return Seal::Broken("the manifest does not list what is in the package");
    }
    Seal::By(profile)
}

fn entries_of(listing: &Listing) -> Vec<Entry> {
    let entry = |one: &listing::Listed| Entry {
        name: one.name.clone(),
        kind: one.kind.to_owned(),
        sha256: one.sha256.clone(),
    };
    listing.entries.iter().map(entry).collect()
}

impl Sealed {
    /// Was it signed with this key?
    pub(crate) fn is_of(&self, public_key: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, public_key).verify(&self.signed, &self.signature).is_ok()
    }
}

/// A package that cannot be signed.
#[derive(Debug)]
pub struct SignError(String);

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SignError {}

/// The public half of a private key in PKCS#8: 32 bytes.
pub fn public_key(private_key: &[u8]) -> Result<Vec<u8>, SignError> {
    let key = Ed25519KeyPair::from_pkcs8(private_key)
        .map_err(|_| SignError("this is no private key".to_owned()))?;
    Ok(key.public_key().as_ref().to_vec())
}

/// The package with a signature for the profile version `profile`, made with an Ed25519 key in PKCS#8.
pub fn sign(archive: &[u8], profile: &str, private_key: &[u8]) -> Result<Vec<u8>, SignError> {
    let failed = |error: &dyn fmt::Display| SignError(error.to_string());
    let key = Ed25519KeyPair::from_pkcs8(private_key)
        .map_err(|_| SignError("this is no private key".to_owned()))?;
    let listing = listing::list(archive).map_err(|error| failed(&error))?;
    if listing.manifest.is_some() || listing.signature.is_some() {
        return Err(SignError("the package is signed already".to_owned()));
    }
    let manifest = Manifest { format: FORMAT, profile: profile.to_owned(), entries: entries_of(&listing) };
    let manifest = serde_json::to_vec(&manifest).map_err(|error| failed(&error))?;
    let signature = key.sign(&[PURPOSE, &manifest].concat());
    let mut writer = ZipWriter::new_append(Cursor::new(archive.to_vec())).map_err(|error| failed(&error))?;
    for (name, content) in [(MANIFEST, manifest.as_slice()), (SIGNATURE, signature.as_ref())] {
        let plain = SimpleFileOptions::default().unix_permissions(0o644);
        writer.start_file(name, plain).map_err(|error| failed(&error))?;
        writer.write_all(content).map_err(|error| failed(&error))?;
    }
    let signed = writer.finish().map_err(|error| failed(&error))?.into_inner();
    // What was made must be what is accepted.
    let sealed = read(&signed).map_err(|error| failed(&error))?;
    if sealed.seal != Seal::By(profile.to_owned()) || !sealed.is_of(key.public_key().as_ref()) {
        return Err(SignError("the package cannot be signed: appending to it changes it".to_owned()));
    }
    Ok(signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/0123456789";

    fn key(byte: u8) -> Vec<u8> {
        // PKCS#8 version 1 of an Ed25519 seed (RFC 8410).
        let mut pkcs8 = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
        ];
        pkcs8.extend([byte; 32]);
        pkcs8
    }

    fn archive(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in files {
            writer.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// The parts of a signed package.
    fn parts(manifest: &[u8], signature: &[u8]) -> Vec<u8> {
        archive(&[("app.py", 0o644, b"x = 1"), (MANIFEST, 0o644, manifest), (SIGNATURE, 0o644, signature)])
    }

    fn stored(archive: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let listing = listing::list(archive).unwrap();
        (listing.manifest.unwrap(), listing.signature.unwrap())
    }

    #[test]
    fn what_was_signed_is_of_its_key_and_of_no_other() {
        let signed = sign(&archive(&[("app.py", 0o644, b"x = 1")]), PROFILE, &key(1)).unwrap();
        let sealed = read(&signed).unwrap();
        assert_eq!(sealed.seal, Seal::By(PROFILE.to_owned()));
        assert!(sealed.is_of(&public_key(&key(1)).unwrap()));
        for wrong in [&public_key(&key(2)).unwrap()[..], &[], &[0; 32]] {
            assert!(!sealed.is_of(wrong));
        }
        assert!(sign(&signed, PROFILE, &key(1)).is_err(), "signed twice");
        assert!(sign(&archive(&[("a", 0o644, b"")]), PROFILE, b"no key").is_err());
        assert_eq!(read(&archive(&[("a", 0o644, b"")])).unwrap().seal, Seal::None);
    }

    #[test]
    fn every_change_of_a_signed_package_breaks_it() {
        let files: &[(&str, u32, &[u8])] = &[("app.py", 0o644, b"x = 1")];
        let signed = sign(&archive(files), PROFILE, &key(1)).unwrap();
        let (manifest, signature) = stored(&signed);
        let broken = |bytes: &[u8]| matches!(read(bytes).unwrap().seal, Seal::Broken(_));
        assert!(!broken(&parts(&manifest, &signature)));
        let with = |files: &[(&str, u32, &[u8])]| {
            let own: [(&str, u32, &[u8]); 2] = [(MANIFEST, 0o644, &manifest), (SIGNATURE, 0o644, &signature)];
            archive(&[files, &own].concat())
        };
        assert!(broken(&with(&[("app.py", 0o644, b"x = 2")])), "content");
        assert!(broken(&with(&[("app.py", 0o755, b"x = 1")])), "execute bit");
        assert!(broken(&with(&[("app2.py", 0o644, b"x = 1")])), "name");
        assert!(broken(&with(&[("app.py", 0o644, b"x = 1"), ("b", 0o644, b"")])), "one more");
        assert!(
            broken(&with(&[("app.py", 0o644, b"x = 1"), (".casemate/b", 0o644, b"")])),
            "beside the manifest"
        );
        assert!(broken(&with(&[])), "one less");
        assert!(
            broken(&archive(&[("app.py", 0o644, b"x = 1"), (MANIFEST, 0o644, &manifest)])),
            "no signature"
        );
        assert!(
            broken(&archive(&[("app.py", 0o644, b"x = 1"), (SIGNATURE, 0o644, &signature)])),
            "no manifest"
        );
        assert!(broken(&parts(b"{}", &signature)) && broken(&parts(&manifest, &signature[1..])));
        // Execute bits of the manifest's and the signature's own.
        for (of_manifest, of_signature) in [(0o755, 0o644), (0o644, 0o755)] {
            assert!(broken(&archive(&[
                ("app.py", 0o644, b"x = 1"),
                (MANIFEST, of_manifest, &manifest),
                (SIGNATURE, of_signature, &signature),
            ])));
        }
        // A file twice, under names that are one.
        assert!(read(&with(&[("app.py", 0o644, b"x = 1"), ("./app.py", 0o644, b"x = 2")])).is_err());
        // A manifest of another's making: well formed, but not signed.
        let other = String::from_utf8(manifest.clone()).unwrap().replace("/p/", "/q/");
        let sealed = read(&parts(other.as_bytes(), &signature)).unwrap();
        assert!(matches!(sealed.seal, Seal::By(_)) && !sealed.is_of(&public_key(&key(1)).unwrap()));
        // Unknown members and a manifest that goes on are none.
        let more = String::from_utf8(manifest.clone()).unwrap().replacen('{', "{\"x\":1,", 1);
        assert!(broken(&parts(more.as_bytes(), &signature)));
        assert!(broken(&parts(&[&manifest[..], b"{}"].concat(), &signature)));
    }

    fn replaced(bytes: &[u8], from: &str, to: &str, times: usize) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let (mut bytes, mut left, mut at) = (bytes.to_vec(), times, 0);
        while left > 0 && at + from.len() <= bytes.len() {
            if bytes[at..].starts_with(from.as_bytes()) {
                bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
                left -= 1;
            }
            at += 1;
        }
        assert_eq!(left, 0, "{from}");
        bytes
    }

    #[test]
    fn an_archive_in_which_readers_find_different_things_is_broken() {
        let signed = sign(&archive(&[("aaa.py", 0o644, b"x = 1")]), PROFILE, &key(1)).unwrap();
        let broken = |bytes: &[u8]| matches!(read(bytes).unwrap().seal, Seal::Broken(_));
        assert!(!broken(&signed));
        // The entry's own header, which comes first, names it differently.
        assert!(broken(&replaced(&signed, "aaa.py", "bbb.py", 1)));
        // A whole entry that the directory does not list, before the package and in its middle.
        let hidden = archive(&[("zzz.py", 0o644, b"evil")]);
        let local = &hidden[..hidden.windows(4).position(|four| four == b"PK\x01\x02").unwrap()];
        assert!(broken(&[local, &signed].concat()));
    }

    #[test]
    fn names_that_differ_in_case_are_two_and_links_are_signed_with_their_targets() {
        let linked = |target: &str| {
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            writer.start_file("a/one", SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
            writer.start_file("A/one", SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
            writer.add_symlink("link", target, SimpleFileOptions::default()).unwrap();
            writer.finish().unwrap().into_inner()
        };
        let (manifest, signature) = stored(&sign(&linked("a/one"), PROFILE, &key(1)).unwrap());
        let with = |base: Vec<u8>| {
            let mut writer = ZipWriter::new_append(Cursor::new(base)).unwrap();
            for (name, content) in [(MANIFEST, &manifest), (SIGNATURE, &signature)] {
                writer.start_file(name, SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
                writer.write_all(content).unwrap();
            }
            writer.finish().unwrap().into_inner()
        };
        assert_eq!(read(&with(linked("a/one"))).unwrap().seal, Seal::By(PROFILE.to_owned()));
        assert!(matches!(read(&with(linked("A/one"))).unwrap().seal, Seal::Broken(_)), "another target");
        // The manifest, or a folder of it, by way of a link: nothing is read through links.
        for at in [MANIFEST, ".casemate"] {
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            writer.start_file("m", SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
            writer.write_all(&manifest).unwrap();
            let target = if at == MANIFEST { "../m" } else { "m" };
            writer.add_symlink(at, target, SimpleFileOptions::default()).unwrap();
            let sealed = read(&writer.finish().unwrap().into_inner()).unwrap();
            assert_eq!(sealed.seal, Seal::None, "{at}");
        }
    }
}
