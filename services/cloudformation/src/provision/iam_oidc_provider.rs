//! `AWS::IAM::OIDCProvider`: an issuer of tokens that roles may trust.

use casemate_schema::Document;

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    gateway::text,
    iam_holder::{Tagged, with},
    iam_policy::holders as texts,
    kind::{Kind, To, property},
};

// AWS: resource reference, AWS::IAM::OIDCProvider: only another `Url` makes another provider; `Ref` is the ARN.
// DIVERGES: AWS lets a template leave `Url` out and fails when the provider is made; here the template is refused.
pub(super) const KIND: Kind = Kind {
    name: "AWS::IAM::OIDCProvider",
    maker: ("iam", "CreateOpenIDConnectProvider"),
    properties: &[
        property(CLIENT_IDS).to(To::Member("ClientIDList")),
        property("Tags"),
        property(THUMBPRINTS),
        property("Url").replaces().required(),
    ],
    attributes: &["Arn"],
    named_by: None,
    provisioner: &OidcProvider,
};

const CLIENT_IDS: &str = "ClientIdList";
const THUMBPRINTS: &str = "ThumbprintList";
const MEMBER: &str = "OpenIDConnectProviderArn";
const TAGGED: Tagged =
    Tagged { member: MEMBER, tag: "TagOpenIDConnectProvider", untag: "UntagOpenIDConnectProvider" };

struct OidcProvider;

impl Provisioner for OidcProvider {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call("iam", "CreateOpenIDConnectProvider", job.request()?).await?;
            let arn = text(&answer, MEMBER);
            Ok(Made::of(arn.clone(), [("Arn", arn)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            change_client_ids(job, before).await?;
            let thumbprints = texts(job.properties, THUMBPRINTS);
            if thumbprints != texts(before.properties, THUMBPRINTS) {
                let input = with(named(before.id), THUMBPRINTS, thumbprints.into());
                job.hand.call("iam", "UpdateOpenIDConnectProviderThumbprint", input).await?;
            }
            TAGGED.retag(job, before).await?;
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move { Ok(job.hand.remove("iam", "DeleteOpenIDConnectProvider", named(id)).await?) })
    }
}

/// Makes the provider's audiences those of the property. The old ones go first: in between nobody is let in who should not
/// be, and a full list has room.
async fn change_client_ids(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let (now, then) = (texts(job.properties, CLIENT_IDS), texts(before.properties, CLIENT_IDS));
    let gone =
        then.iter().filter(|id| !now.contains(id)).map(|id| ("RemoveClientIDFromOpenIDConnectProvider", id));
    let come =
        now.iter().filter(|id| !then.contains(id)).map(|id| ("AddClientIDToOpenIDConnectProvider", id));
    for (operation, id) in gone.chain(come) {
        job.hand.call("iam", operation, with(named(before.id), "ClientID", id.as_str().into())).await?;
    }
    Ok(())
}

fn named(arn: &str) -> Document {
    Document::structure([(MEMBER, arn.into())])
}
