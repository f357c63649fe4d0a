//! Metadata of identity providers: who they are, and with which keys they sign.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_names::Timestamp;

use crate::{
    certificate::is_usable,
    signature::CERTIFICATES_MAX,
    xml::{Comments, Id, Tree},
};

const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

/// What an identity provider says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What `Issuer` must say.
    pub entity_id: String,
    /// Certificates of its signing keys, in DER; at least one.
    pub certificates: Vec<Vec<u8>>,
    /// After this it is not to be believed any more.
    pub valid_until: Option<Timestamp>,
}

/// The document is no usable metadata; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidMetadata(&'static str);

impl Metadata {
    /// Reads metadata with exactly one entity that is an identity provider for SAML 2.0.
    pub fn parse(text: &str) -> Result<Self, InvalidMetadata> {
        let tree = Tree::parse(text.trim_start_matches('\u{feff}').trim(), Comments::Dropped)
            .map_err(|invalid| InvalidMetadata(invalid.0))?;
        let root = Tree::ROOT;
        if !tree.is(root, MD, "EntityDescriptor") {
            return Err(InvalidMetadata("it does not describe one entity"));
        }
        let entity_id = tree.get(root).attribute("entityID").filter(|id| !id.is_empty());
        let entity_id = entity_id.ok_or(InvalidMetadata("no entityID"))?.to_owned();
        let provider = tree
            .only(root, MD, "IDPSSODescriptor")
            .ok_or(InvalidMetadata("not exactly one identity provider"))?;
        let protocols = tree.get(provider).attribute("protocolSupportEnumeration").unwrap_or_default();
        if !protocols.split_ascii_whitespace().any(|protocol| protocol == PROTOCOL) {
            return Err(InvalidMetadata("the provider does not speak SAML 2.0"));
        }
        let certificates = certificates(&tree, provider)?;
        let ends = [until(&tree, root)?, until(&tree, provider)?];
        Ok(Self { entity_id, certificates, valid_until: ends.into_iter().flatten().min() })
    }
}

fn certificates(tree: &Tree, provider: Id) -> Result<Vec<Vec<u8>>, InvalidMetadata> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for key in tree.named(provider, MD, "KeyDescriptor") {
        if !matches!(tree.get(key).attribute("use"), None | Some("signing")) {
            continue;
        }
        let infos = tree.named(key, DS, "KeyInfo");
        let datas = infos.flat_map(|info| tree.named(info, DS, "X509Data"));
        for certificate in datas.flat_map(|data| tree.named(data, DS, "X509Certificate")) {
            let text = tree.text(certificate).unwrap_or_default();
            let text: String = text.split_ascii_whitespace().collect();
            let der = STANDARD.decode(text).ok().filter(|der| is_usable(der));
            found.push(der.ok_or(InvalidMetadata("a certificate that has no RSA key of 2048 bits or more"))?);
        }
    }
    found.dedup();
    match found.len() {
        0 => Err(InvalidMetadata("no signing certificate")),
        1..=CERTIFICATES_MAX => Ok(found),
        _ => Err(InvalidMetadata("too many signing certificates")),
    }
}

fn until(tree: &Tree, id: Id) -> Result<Option<Timestamp>, InvalidMetadata> {
    let text = tree.get(id).attribute("validUntil");
    text.map(Timestamp::parse_iso8601).transpose().map_err(|_| InvalidMetadata("validUntil is no time"))
}

impl fmt::Display for InvalidMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not acceptable metadata: {}", self.0)
    }
}

impl std::error::Error for InvalidMetadata {}
