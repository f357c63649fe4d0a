//! Forward access sessions: what a service does for its caller is the caller's request still, and says through whom it came.

use casemate_names::Arn;

use crate::toys::{toy, world};

/// No right to toys.
const OF_THE_SHOP_ONLY: &str = r#"{"Effect":"Allow","Action":"shop:Close","Resource":"*"}"#;

fn user_policy(statements: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"shop:*","Resource":"*"}},{statements}]}}"#
    )
}

/// May a user with this statement make a toy itself, and may it have the shop make one?
async fn directly_and_through_the_shop(statement: &str) -> (bool, bool) {
    let (world, _) = world();
    let user = world.identities().user("clerk", &[&user_policy(statement)]);
    let directly = world.call(&user, "toys", "MakeToy", toy("ball-01")).await;
    let through = world.call(&user, "shop", "Order", toy("Caller-01")).await;
    (directly.status.is_success(), through.status.is_success())
}

#[tokio::test]
async fn a_policy_can_tell_through_which_service_a_request_came() {
    let allow = |operator: &str, key: &str, value: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"toys:MakeToy","Resource":"*","Condition":{{"{operator}":{{"{key}":"{value}"}}}}}}"#
        )
    };
    let only_through = (false, true);
    for (statement, expected) in [
        (allow("ForAnyValue:StringEquals", "aws:CalledVia", "shop.amazonaws.com"), only_through),
        (allow("ForAnyValue:StringEquals", "aws:CalledVia", "toys.amazonaws.com"), (false, false)),
        (allow("StringEquals", "aws:CalledViaFirst", "shop.amazonaws.com"), only_through),
        (allow("StringEquals", "aws:CalledViaLast", "shop.amazonaws.com"), only_through),
        (allow("StringEquals", "toys:ViaService", "shop.us-east-1.amazonaws.com"), only_through),
        (allow("StringEquals", "toys:ViaService", "shop.amazonaws.com"), (false, false)),
        (allow("StringEquals", "toys:ViaService", "shop.eu-west-1.amazonaws.com"), (false, false)),
        (allow("Null", "toys:ViaService", "true"), (true, false)),
        (allow("Bool", "toys:GrantIsForAWSResource", "true"), only_through),
        (allow("Bool", "toys:GrantIsForAWSResource", "false"), (true, false)),
        (allow("StringNotEquals", "toys:ViaService", "shop.us-east-1.amazonaws.com"), (true, false)),
        (allow("Bool", "aws:ViaAWSService", "true"), only_through),
        (allow("Bool", "aws:ViaAWSService", "false"), (true, false)),
        (allow("Null", "aws:CalledVia", "true"), (true, false)),
    ] {
        assert_eq!(directly_and_through_the_shop(&statement).await, expected, "{statement}");
    }
}

#[tokio::test]
async fn the_service_adds_nothing_to_what_the_caller_may() {
    assert_eq!(
        directly_and_through_the_shop(r#"{"Effect":"Allow","Action":"toys:LookAround","Resource":"*"}"#)
            .await,
        (false, false)
    );
    let denied = r#"{"Effect":"Allow","Action":"toys:*","Resource":"*"},{"Effect":"Deny","Action":"toys:*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}"#;
    assert_eq!(directly_and_through_the_shop(denied).await, (true, false));
}

#[tokio::test]
async fn no_header_of_a_client_says_through_whom_it_came() {
    let (world, _) = world();
    let only = r#"{"Effect":"Allow","Action":"toys:MakeToy","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}"#;
    let user = world.identities().user("clerk", &[&user_policy(only)]);
    let request = casemate_testkit::Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"))
        .header("x-amz-via-aws-service", "true")
        .header("aws-called-via", "shop.amazonaws.com")
        .header("user-agent", "shop.amazonaws.com")
        .signed(&user, "toys", "us-east-1", world.now());
    assert!(!world.send(&request).await.status.is_success());
}

/// Conditions that tell whether a request came through a service: that it did, and that it did not.
const THROUGH: [(&str, bool); 5] = [
    (r#"{"Null":{"toys:ViaService":"true"}}"#, false),
    (r#"{"Null":{"aws:CalledVia":"true"}}"#, false),
    (r#"{"Bool":{"aws:ViaAWSService":"false"}}"#, false),
    (r#"{"Bool":{"aws:ViaAWSService":"true"}}"#, true),
    (r#"{"StringEquals":{"toys:ViaService":"shop.us-east-1.amazonaws.com"}}"#, true),
];

#[tokio::test]
async fn what_a_service_asks_for_itself_came_through_none_even_within_a_chain() {
    for (condition, through) in THROUGH {
        let (world, shelf) = world();
        let user = world.identities().user("clerk", &[&user_policy(OF_THE_SHOP_ONLY)]);
        let made = Arn::regional(world.scope(), "toys", "toy/Itself-01");
        shelf.policy(
            &made,
            &format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Service":"shop.amazonaws.com"}},"Action":"toys:MakeToy","Resource":"*","Condition":{condition}}}}}"#
            ),
        );
        let chained = world.call(&user, "shop", "Order", toy("Chained-01")).await.status.is_success();
        assert_eq!(chained, !through, "{condition}");
    }
}

#[tokio::test]
async fn what_a_service_asks_under_a_role_came_through_none_even_within_a_chain() {
    for (condition, through) in THROUGH {
        let (world, _) = world();
        let user = world.identities().user("clerk", &[&user_policy(OF_THE_SHOP_ONLY)]);
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"toys:MakeToy","Resource":"*","Condition":{condition}}}}}"#
        );
        let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"shop.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
        world.identities().role("shopkeeper", &[&policy], Some(trust));
        let chained = world.call(&user, "shop", "Order", toy("Lent-01")).await.status.is_success();
        assert_eq!(chained, !through, "{condition}");
    }
}
