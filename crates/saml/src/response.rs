//! Responses: one assertion, signed by a known provider, about one subject, for us, now.

use std::fmt;

use casemate_names::{Secret, Timestamp};

use crate::{
    Metadata,
    encryption::{Cipher, Encrypted},
    signature::{Signed, has_ambiguous_ids, judge},
    xml::{Comments, Id, Tree},
};

const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What a response must fit to be meant for us.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Names of ours, one of which must be an audience.
    pub audiences: &'a [&'a str],
    /// Addresses of ours, one of which must be the recipient.
    pub recipients: &'a [&'a str],
    /// The time of day.
    pub now: Timestamp,
    /// Tolerance for the provider's clock, seconds.
    pub leeway_s: i64,
    /// Keys of ours that an assertion may be encrypted for, as [`crate::DecryptionKey::parse`] takes them: parsing is
    /// dear, and done only where there is something to decrypt. What it does not take opens nothing.
    pub keys: &'a [Secret<String>],
    /// Whether it must be.
    pub encryption: Encryption,
}

/// Whether assertions in the open are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// They are.
    #[default]
    Allowed,
    /// They are not.
    Required,
}

/// A named attribute of the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

/// What a believed response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The provider.
    pub issuer: String,
    /// Names this assertion.
    pub id: String,
    /// When the provider made it.
    pub issued_at: Timestamp,
    /// The audience that is ours.
    pub audience: String,
    /// The recipient that is ours.
    pub recipient: String,
    /// The subject's name.
    pub name_id: String,
    /// What kind of name that is: the text behind `Format`.
    pub name_id_format: Option<String>,
    /// When the provider's own session with the subject ends.
    pub session_not_on_or_after: Option<Timestamp>,
    /// Attributes in the order of the document.
    pub attributes: Vec<Attribute>,
}

/// Why a response is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// Not a document, or not of the shape that is understood.
    Malformed(&'static str),
    /// From another provider than the metadata's.
    WrongIssuer,
    /// Not signed as it must be.
    Signature(&'static str),
    /// The provider reports that it failed.
    Unsuccessful,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// For someone else.
    WrongAudience,
    /// For another address.
    WrongRecipient,
}

impl Assertion {
    /// The values of an attribute; empty if it is not there.
    pub fn values(&self, name: &str) -> &[String] {
        let found = self.attributes.iter().find(|attribute| attribute.name == name);
        found.map_or(&[], |attribute| attribute.values.as_slice())
    }
}

/// Reads a response of the provider with this metadata.
pub fn read_response(
    text: &str,
    metadata: &Metadata,
    expected: &Expected<'_>,
) -> Result<Assertion, Rejected> {
    let tree = Tree::parse(text, Comments::Refused).map_err(|invalid| Rejected::Malformed(invalid.0))?;
    let found = only_assertion(&tree, expected.encryption)?;
    if has_ambiguous_ids(&tree) {
        return Err(Rejected::Signature("an id given twice"));
    }
    let around = judge(&tree, Tree::ROOT, &metadata.certificates);
    let response = Response { tree: &tree, around, metadata, expected };
    match found {
        Found::Open(assertion) => response.believed(&tree, assertion),
        Found::Encrypted(element) => response.believed(&response.opened(element)?, Tree::ROOT),
    }
}

/// Where the assertion is.
enum Found {
    Open(Id),
    Encrypted(Id),
}

/// The only assertion of the document, which must be a child of its root.
fn only_assertion(tree: &Tree, encryption: Encryption) -> Result<Found, Rejected> {
    let root = Tree::ROOT;
    if !tree.is(root, SAMLP, "Response") || tree.get(root).attribute("Version") != Some("2.0") {
        return Err(Rejected::Malformed("not a SAML 2.0 response"));
    }
    if count(tree, &["Assertion", "EncryptedAssertion"]) != 1 || count(tree, &["Response"]) != 1 {
        return Err(Rejected::Malformed("not exactly one assertion"));
    }
    if let Some(element) = tree.only(root, SAML, "EncryptedAssertion") {
        return Ok(Found::Encrypted(element));
    }
    let assertion = tree.only(root, SAML, "Assertion");
    let assertion = assertion.ok_or(Rejected::Malformed("not exactly one assertion"))?;
    if encryption == Encryption::Required {
        return Err(Rejected::Malformed("an assertion in the open"));
    }
    Ok(Found::Open(assertion))
}

/// Elements of these names, anywhere and in any namespace: what is not looked at cannot be mistaken for what is.
fn count(tree: &Tree, names: &[&str]) -> usize {
    tree.all().filter(|id| names.contains(&tree.get(*id).local.as_str())).count()
}

/// A response whose own signature, if it has one, has been judged.
struct Response<'a> {
    tree: &'a Tree,
    around: Signed,
    metadata: &'a Metadata,
    expected: &'a Expected<'a>,
}

impl Response<'_> {
    /// The encrypted assertion, as a document of its own. Not yet believed.
    fn opened(&self, element: Id) -> Result<Tree, Rejected> {
        if let Signed::Bad(why) = self.around {
            return Err(Rejected::Signature(why));
        }
        let encrypted = Encrypted::read(self.tree, element).map_err(Rejected::Malformed)?;
        // Jager and Somorovsky, "How to Break XML Encryption" (CCS 2011): whoever may send changed CBC texts and see whether
        // they are understood can read them. Under a signature nobody may; GCM needs none.
        if matches!(encrypted.cipher, Cipher::Cbc(_)) && self.around != Signed::Yes {
            return Err(Rejected::Signature("AES-CBC in a response that is not signed"));
        }
        // One refusal for whatever is wrong with the inside.
        let refused = || Rejected::Malformed("an assertion that cannot be decrypted");
        let text = encrypted.open(self.expected.keys).ok_or_else(refused)?;
        let opened = Tree::parse(&text, Comments::Refused).map_err(|_| refused())?;
        let alone = count(&opened, &["Assertion", "EncryptedAssertion", "Response"]) == 1;
        if alone && !has_ambiguous_ids(&opened) { Ok(opened) } else { Err(refused()) }
    }

    /// What an assertion says, if it is the provider's word for us. `tree` is the response's own, or the decrypted one.
    fn believed(&self, tree: &Tree, assertion: Id) -> Result<Assertion, Rejected> {
        let Self { metadata, expected, .. } = *self;
        if !tree.is(assertion, SAML, "Assertion") || tree.get(assertion).attribute("Version") != Some("2.0") {
            return Err(Rejected::Malformed("not a SAML 2.0 assertion"));
        }
        self.check_signatures(judge(tree, assertion, &metadata.certificates))?;
        // From here on only what a signature covers is read: the assertion itself.
        check_issuer(tree, assertion, metadata)?;
        self.check_envelope()?;
        let reader = Reader { tree, assertion, expected };
        let audience = reader.conditions()?;
        let (name_id, name_id_format, recipient) = reader.subject()?;
        Ok(Assertion {
            issuer: metadata.entity_id.clone(),
            id: tree.get(assertion).attribute("ID").unwrap_or_default().to_owned(),
            issued_at: reader.issued_at()?,
            audience,
            recipient,
            name_id,
            name_id_format,
            session_not_on_or_after: reader.session_end()?,
            attributes: reader.attributes()?,
        })
    }

    /// A signature must cover the assertion: its own, or that of the response it lies in. None may be bad.
    fn check_signatures(&self, own: Signed) -> Result<(), Rejected> {
        match (own, self.around) {
            (Signed::Bad(why), _) | (_, Signed::Bad(why)) => Err(Rejected::Signature(why)),
            (Signed::Yes, _) | (_, Signed::Yes) => Ok(()),
            (Signed::No, Signed::No) => Err(Rejected::Signature("no signature")),
        }
    }

    /// What the response says around the assertion must not speak against it.
    fn check_envelope(&self) -> Result<(), Rejected> {
        let root = Tree::ROOT;
        if self.tree.only(root, SAML, "Issuer").is_some() {
            check_issuer(self.tree, root, self.metadata)?;
        }
        check_success(self.tree, root)?;
        let to = self.tree.get(root).attribute("Destination");
        if to.is_some_and(|to| !self.expected.recipients.contains(&to)) {
            return Err(Rejected::WrongRecipient);
        }
        Ok(())
    }
}

fn check_issuer(tree: &Tree, id: Id, metadata: &Metadata) -> Result<(), Rejected> {
    let issuer = tree.only(id, SAML, "Issuer").and_then(|issuer| tree.text(issuer));
    if issuer.is_some_and(|issuer| issuer.trim() == metadata.entity_id) {
        Ok(())
    } else {
        Err(Rejected::WrongIssuer)
    }
}

fn check_success(tree: &Tree, root: Id) -> Result<(), Rejected> {
    let code = tree.only(root, SAMLP, "Status").and_then(|status| tree.only(status, SAMLP, "StatusCode"));
    let success = code.is_some_and(|code| tree.get(code).attribute("Value") == Some(SUCCESS));
    if success { Ok(()) } else { Err(Rejected::Unsuccessful) }
}

struct Reader<'a> {
    tree: &'a Tree,
    assertion: Id,
    expected: &'a Expected<'a>,
}

impl Reader<'_> {
    fn time(&self, id: Id, name: &str) -> Result<Option<Timestamp>, Rejected> {
        let text = self.tree.get(id).attribute(name);
        text.map(Timestamp::parse_iso8601).transpose().map_err(|_| Rejected::Malformed("a time is no time"))
    }

    fn check_end(&self, end: Timestamp) -> Result<(), Rejected> {
        let over = self.expected.now >= end.plus_seconds(self.expected.leeway_s);
        if over { Err(Rejected::Expired) } else { Ok(()) }
    }

    fn check_start(&self, start: Timestamp) -> Result<(), Rejected> {
        let early = start > self.expected.now.plus_seconds(self.expected.leeway_s);
        if early { Err(Rejected::NotYetValid) } else { Ok(()) }
    }

    fn issued_at(&self) -> Result<Timestamp, Rejected> {
        let issued_at = self.time(self.assertion, "IssueInstant")?;
        let issued_at = issued_at.ok_or(Rejected::Malformed("an assertion without IssueInstant"))?;
        self.check_start(issued_at).map(|()| issued_at)
    }

    /// The audience that is ours, if the conditions hold.
    fn conditions(&self) -> Result<String, Rejected> {
        let conditions = self
            .tree
            .only(self.assertion, SAML, "Conditions")
            .ok_or(Rejected::Malformed("not exactly one set of conditions"))?;
        if let Some(start) = self.time(conditions, "NotBefore")? {
            self.check_start(start)?;
        }
        if let Some(end) = self.time(conditions, "NotOnOrAfter")? {
            self.check_end(end)?;
        }
        let mut ours = None;
        for part in self.tree.children(conditions) {
            if self.tree.is(part, SAML, "AudienceRestriction") {
                // SAML core §2.5.1.4: every restriction must hold, by any of its audiences.
                let named: Vec<String> = self
                    .tree
                    .named(part, SAML, "Audience")
                    .filter_map(|audience| self.tree.text(audience))
                    .collect();
                let found = named.into_iter().find(|name| self.expected.audiences.contains(&name.trim()));
                ours = Some(found.ok_or(Rejected::WrongAudience)?.trim().to_owned());
            } else if !self.tree.is(part, SAML, "OneTimeUse") && !self.tree.is(part, SAML, "ProxyRestriction")
            {
                return Err(Rejected::Malformed("a condition that is not understood"));
            }
        }
        ours.ok_or(Rejected::WrongAudience)
    }

    /// Name, format of the name, and recipient.
    fn subject(&self) -> Result<(String, Option<String>, String), Rejected> {
        let tree = self.tree;
        let malformed = Rejected::Malformed("not exactly one named subject");
        let subject = tree.only(self.assertion, SAML, "Subject").ok_or(malformed.clone())?;
        let name = tree.only(subject, SAML, "NameID").ok_or(malformed.clone())?;
        let name_id = tree.text(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut refusal = Rejected::Malformed("no bearer confirmation");
        for confirmation in tree.named(subject, SAML, "SubjectConfirmation") {
            if tree.get(confirmation).attribute("Method") != Some(BEARER) {
                continue;
            }
            match self.confirmation(confirmation) {
                Ok(recipient) => {
                    let format = tree.get(name).attribute("Format").map(str::to_owned);
                    return Ok((name_id.ok_or(malformed)?, format, recipient));
                }
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    // SAML profiles §4.1.4.2: Recipient and NotOnOrAfter are mandatory, NotBefore is forbidden.
    fn confirmation(&self, confirmation: Id) -> Result<String, Rejected> {
        let tree = self.tree;
        let data = tree.only(confirmation, SAML, "SubjectConfirmationData");
        let data = data.ok_or(Rejected::Malformed("no confirmation data"))?;
        if self.time(data, "NotBefore")?.is_some() {
            return Err(Rejected::Malformed("a bearer confirmation with NotBefore"));
        }
        let recipient = tree.get(data).attribute("Recipient").ok_or(Rejected::WrongRecipient)?;
        if !self.expected.recipients.contains(&recipient) {
            return Err(Rejected::WrongRecipient);
        }
        let end = self.time(data, "NotOnOrAfter")?;
        self.check_end(end.ok_or(Rejected::Malformed("a bearer confirmation without NotOnOrAfter"))?)?;
        Ok(recipient.to_owned())
    }

    fn session_end(&self) -> Result<Option<Timestamp>, Rejected> {
        let mut end: Option<Timestamp> = None;
        for statement in self.tree.named(self.assertion, SAML, "AuthnStatement") {
            if let Some(at) = self.time(statement, "SessionNotOnOrAfter")? {
                self.check_end(at)?;
                end = Some(end.map_or(at, |known| known.min(at)));
            }
        }
        Ok(end)
    }

    fn attributes(&self) -> Result<Vec<Attribute>, Rejected> {
        let tree = self.tree;
        let mut found: Vec<Attribute> = Vec::new();
        let statements = tree.named(self.assertion, SAML, "AttributeStatement");
        for id in statements.flat_map(|statement| tree.named(statement, SAML, "Attribute")) {
            let name = tree.get(id).attribute("Name").unwrap_or_default().to_owned();
            if name.is_empty() {
                return Err(Rejected::Malformed("an attribute without name"));
            }
            let values = tree
                .named(id, SAML, "AttributeValue")
                .map(|value| tree.text(value).map(|text| text.trim().to_owned()));
            let values: Option<Vec<String>> = values.collect();
            let values = values.ok_or(Rejected::Malformed("an attribute value that is no text"))?;
            // Some providers write an attribute of several values as several attributes.
            match found.iter_mut().find(|known| known.name == name) {
                Some(known) => known.values.extend(values),
                None => found.push(Attribute { name, values }),
            }
        }
        Ok(found)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "malformed response: {what}"),
            Self::WrongIssuer => f.write_str("from another issuer"),
            Self::Signature(what) => write!(f, "not signed as it must be: {what}"),
            Self::Unsuccessful => f.write_str("the provider reports a failure"),
            Self::Expired => f.write_str("expired"),
            Self::NotYetValid => f.write_str("not yet valid"),
            Self::WrongAudience => f.write_str("for another audience"),
            Self::WrongRecipient => f.write_str("for another recipient"),
        }
    }
}

impl std::error::Error for Rejected {}
