//! What a refusal tells: the reason to whom it concerns, to strangers only that they are refused.

use casemate_names::Arn;
use casemate_testkit::{Credentials, World};

use crate::toys::{toy, world};

const WHAT: &str =
    "is not authorized to perform: toys:MakeToy on resource: arn:aws:toys:us-east-1:123456789012:toy/ball-01";

/// The refusal's code and text; nothing has happened.
async fn refused(world: &World, who: Option<&Credentials>) -> (String, String) {
    let before = world.digest();
    let answer = match who {
        Some(who) => world.call(who, "toys", "MakeToy", toy("ball-01")).await,
        None => world.call_unsigned("toys", "MakeToy", toy("ball-01")).await,
    };
    assert!(answer.status.is_client_error(), "{}", answer.text());
    assert_eq!(world.digest(), before, "refused, yet something happened");
    (answer.code().unwrap_or_default(), answer.message())
}

fn policy(effect: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Principal":"*","Action":"*","Resource":"*"}}}}"#
    )
}

// AWS: IAM User Guide, "Access denied error message format".
#[tokio::test]
async fn the_accounts_own_are_told_the_kind_of_policy_and_others_are_not() {
    let (world, shelf) = world();
    let arn = Arn::regional(world.scope(), "toys", "toy/ball-01");
    let ann = world.identities().user("ann", &[]);
    let eve = world.identities().user_of(&world.other_account(), "eve", &[], None);
    let ours = format!("User: arn:aws:iam::123456789012:user/ann {WHAT}");
    let theirs = format!("User: arn:aws:iam::210987654321:user/eve {WHAT}");
    for (document, reason) in [
        (None, " because no identity-based policy allows the toys:MakeToy action"),
        (Some("Deny"), " with an explicit deny in a resource-based policy"),
    ] {
        if let Some(effect) = document {
            shelf.policy(&arn, &policy(effect));
        }
        for (who, text) in [(&ann, format!("{ours}{reason}")), (&eve, theirs.clone())] {
            assert_eq!(refused(&world, Some(who)).await, ("AccessDeniedException".to_owned(), text));
        }
    }
}

#[tokio::test]
async fn a_stranger_is_asked_who_it_is_unless_it_is_denied_whoever_it_is() {
    let (world, shelf) = world();
    let (code, _) = refused(&world, None).await;
    assert_eq!(code, "MissingAuthenticationTokenException");
    let arn = Arn::regional(world.scope(), "toys", "toy/ball-01");
    shelf.policy(&arn, &policy("Deny"));
    // The account is not its own, so it is not told why.
    let text = format!("User: anonymous {WHAT}");
    assert_eq!(refused(&world, None).await, ("AccessDeniedException".to_owned(), text));
    shelf.policy(&arn, &policy("Allow"));
    let answer = world.call_unsigned("toys", "MakeToy", toy("ball-01")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}
