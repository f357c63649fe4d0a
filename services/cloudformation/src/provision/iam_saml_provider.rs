//! `AWS::IAM::SAMLProvider`.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::{default, text},
    iam_holder::{Tagged, with},
    kind::{Form, Kind, To, property},
};

// AWS: resource reference, AWS::IAM::SAMLProvider: only another `Name` makes another provider; `Ref` is the ARN.
// DIVERGES: `PrivateKeyList`, which tells IAM nothing (it shows ids and times of the keys there are), is refused.
pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::SAMLProvider",
    maker: ("iam", "CreateSAMLProvider"),
    properties: &[
        property(ADD_KEY),
        property(MODE),
        property("Name").replaces(),
        property(REMOVE_KEY).to(To::Own(Form::Text)),
        property(DOCUMENT).to(To::Member("SAMLMetadataDocument")).required(),
        property("Tags"),
    ],
    attributes: &["Arn", "SamlProviderUUID"],
    named_by: Some("Name"),
    provisioner: &SamlProvider,
};

/// AWS: names of SAML providers have at most 128 characters.
const NAME_MAX: usize = 128;

const ADD_KEY: &str = "AddPrivateKey";
const DOCUMENT: &str = "SamlMetadataDocument";
const MODE: &str = "AssertionEncryptionMode";
const REMOVE_KEY: &str = "RemovePrivateKey";
const MEMBER: &str = "SAMLProviderArn";
const TAGGED: Tagged = Tagged { member: MEMBER, tag: "TagSAMLProvider", untag: "UntagSAMLProvider" };

struct SamlProvider;

impl Provisioner for SamlProvider {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            // A key to remove is not looked at: a provider that is made has none but the one that is added.
            let mut request = job.request()?;
            default(&mut request, "Name", job.name("Name", NAME_MAX).into());
            let answer = job.hand.call("iam", "CreateSAMLProvider", request).await?;
            let arn = text(&answer, MEMBER);
            let shown = job.hand.call("iam", "GetSAMLProvider", named(&arn)).await;
            let shown = shown.map_err(|error| Failure::from(error).after(&arn))?;
            let uuid = text(&shown, "SAMLProviderUUID");
            Ok(Made::of(arn.clone(), [("Arn", arn), ("SamlProviderUUID", uuid)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let changed = |name: &str| job.properties.get(name) != before.properties.get(name);
            // What stays is not said again: a key would be added twice, and one that is gone be missed.
            let said = [
                (DOCUMENT, "SAMLMetadataDocument"),
                (ADD_KEY, ADD_KEY),
                (REMOVE_KEY, REMOVE_KEY),
                (MODE, MODE),
            ];
            let said = said.into_iter().filter(|(property, _)| changed(property));
            let said: Vec<_> =
                said.filter_map(|(property, member)| Some((member, job.text(property)?))).collect();
            if !said.is_empty() {
                let input = said
                    .into_iter()
                    .fold(named(before.id), |input, (member, text)| with(input, member, text.into()));
                job.hand.call("iam", "UpdateSAMLProvider", input).await?;
            }
            TAGGED.retag(job, before).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move { Ok(job.hand.remove("iam", "DeleteSAMLProvider", named(id)).await?) })
    }
}

fn named(arn: &str) -> Document {
    Document::structure([(MEMBER, arn.into())])
}
