//! The policy simulator weighs a resource's policy by the rule that the gate weighs it by: what it says of a key is what the
//! key says. Everything over the wire, over the real services.

use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, World};
use http::Method;
use serde_json::json;

use crate::{
    api::{new_user, policy, put_policy},
    worlds::with_own_identities,
};

const ANN: &str = "arn:aws:iam::123456789012:user/ann";
const ROOT: &str = "arn:aws:iam::123456789012:root";
const ALIAS: &str = "arn:aws:kms:us-east-1:123456789012:alias/a";
const ROLE: &str = "arn:aws:iam::123456789012:role/r";

/// A policy of a resource that lets `principal` do `action`.
fn sharing(principal: &str, action: &str) -> String {
    let statement =
        json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

struct Simulator {
    world: World,
    admin: Credentials,
    ann: Credentials,
}

impl Simulator {
    async fn new() -> Self {
        let (world, admin) = with_own_identities().await;
        let ann = new_user(&world, &admin, "ann").await;
        Self { world, admin, ann }
    }

    /// What both simulating operations say of ann, who has that policy, and a resource with this one.
    async fn says(&self, own: &str, action: &str, resource: &str, resources: Option<&str>) -> String {
        put_policy(&self.world, &self.admin, "ann", "p", own).await;
        let list = |text: &str| Document::List(vec![text.into()]);
        let asked = |more: Vec<(&'static str, Document)>| {
            let mut asked =
                Document::structure([("ActionNames", list(action)), ("ResourceArns", list(resource))]);
            if let Some(text) = resources {
                asked.push("ResourcePolicy", text.into());
                asked.push("CallerArn", ANN.into());
            }
            for (name, value) in more {
                asked.push(name, value);
            }
            asked
        };
        let custom = asked(vec![("PolicyInputList", list(own))]);
        let custom = self.world.call(&self.admin, "iam", "SimulateCustomPolicy", custom).await;
        let principal = asked(vec![("PolicySourceArn", ANN.into())]);
        let principal = self.world.call(&self.admin, "iam", "SimulatePrincipalPolicy", principal).await;
        let said = [custom, principal].map(|answer| {
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.element("EvalDecision").unwrap()
        });
        assert_eq!(said[0], said[1], "{action} {resource}");
        said[0].clone()
    }

    async fn kms(&self, who: &Credentials, operation: &str, body: serde_json::Value) -> (u16, String) {
        let request = Request::new(Method::POST, "/")
            .header("x-amz-target", &format!("TrentService.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string())
            .signed(who, "kms", "us-east-1", self.world.now());
        let answer = self.world.send(&request).await;
        (answer.status.as_u16(), answer.text())
    }
}

#[tokio::test]
async fn a_keys_policy_is_simulated_as_the_key_itself_would_decide() {
    let simulator = Simulator::new().await;
    let (everything, nothing) = (policy("Allow", "*"), policy("Allow", "s3:GetObject"));
    let bobs = sharing("arn:aws:iam::123456789012:user/bob", "kms:*");
    new_user(&simulator.world, &simulator.admin, "bob").await;
    let denying = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Principal": {"AWS": ANN}, "Action": "kms:Encrypt", "Resource": "*"},
    ]})
    .to_string();
    for (own, of_key, expected) in [
        (&everything, &bobs, "implicitDeny"),
        (&everything, &sharing(ROOT, "kms:*"), "allowed"),
        (&everything, &sharing(ROOT, "kms:Decrypt"), "implicitDeny"),
        (&nothing, &sharing(ROOT, "kms:*"), "implicitDeny"),
        (&nothing, &sharing(ANN, "kms:Encrypt"), "allowed"),
        (&everything, &denying, "explicitDeny"),
    ] {
        let made = json!({"Policy": of_key, "BypassPolicyLockoutSafetyCheck": true});
        let (status, text) = simulator.kms(&simulator.admin, "CreateKey", made).await;
        assert_eq!(status, 200, "{text}");
        let made: serde_json::Value = serde_json::from_str(&text).unwrap();
        let arn = made["KeyMetadata"]["Arn"].as_str().unwrap();
        let (none, alias) = ("arn:aws:kms:us-east-1:123456789012:key/none", ALIAS);
        for resource in [arn, none, alias, "arn:aws:kms", "*"] {
            let said = simulator.says(own, "kms:Encrypt", resource, Some(of_key)).await;
            assert_eq!(said, expected, "{own} {of_key} {resource}");
        }
        let spelt = simulator.says(own, "KMS:encrypt", "*", Some(of_key)).await;
        assert_eq!(spelt, expected, "{own} {of_key}");
        // The gate, asked for the same.
        let body = json!({"KeyId": arn, "Plaintext": "YQ=="});
        let (status, text) = simulator.kms(&simulator.ann, "Encrypt", body).await;
        assert_eq!(status == 200, expected == "allowed", "{own} {of_key}: {text}");
    }
    // Without a policy of the resource only ann's own are simulated; what is no key goes by the ordinary rule.
    assert_eq!(simulator.says(&everything, "kms:Encrypt", "*", None).await, "allowed");
    assert_eq!(simulator.says(&everything, "kms:ListKeys", "*", None).await, "allowed");
    assert_eq!(simulator.says(&everything, "kms:DeleteAlias", ALIAS, Some(&bobs)).await, "allowed");
}

#[tokio::test]
async fn a_roles_policy_is_simulated_as_its_trust_and_others_by_the_ordinary_rule() {
    let simulator = Simulator::new().await;
    let everything = policy("Allow", "*");
    let bobs = |action: &str| sharing("arn:aws:iam::123456789012:user/bob", action);
    for resource in [ROLE, "*"] {
        let says =
            async |text: &str| simulator.says(&everything, "sts:AssumeRole", resource, Some(text)).await;
        assert_eq!(says(&bobs("sts:AssumeRole")).await, "implicitDeny", "{resource}");
        assert_eq!(says(&sharing(ROOT, "sts:AssumeRole")).await, "allowed", "{resource}");
        assert_eq!(says(&sharing(ANN, "sts:AssumeRole")).await, "allowed", "{resource}");
    }
    for (action, resource) in [
        ("s3:GetObject", "arn:aws:s3:::b/k"),
        ("s3:GetObject", "*"),
        ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:f"),
        ("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:q"),
        ("iam:GetRole", ROLE),
    ] {
        let said = simulator.says(&everything, action, resource, Some(&bobs(action))).await;
        assert_eq!(said, "allowed", "{action}: ann's own policy is enough");
        let (nothing, anns) = (policy("Allow", "dynamodb:GetItem"), sharing(ANN, action));
        assert_eq!(simulator.says(&nothing, action, resource, Some(&anns)).await, "allowed", "{action}");
        let said = simulator.says(&nothing, action, resource, Some(&bobs(action))).await;
        assert_eq!(said, "implicitDeny", "{action}");
    }
}

#[tokio::test]
async fn policies_of_queues_and_topics_are_simulated_by_their_services_rules() {
    let simulator = Simulator::new().await;
    let everything = policy("Allow", "*");
    let (queue, topic) = ("arn:aws:sqs:us-east-1:210987654321:q", "arn:aws:sns:us-east-1:210987654321:t");
    let asked = |action: &str, resource: &str, text: &str, owner: &str| {
        let list = |text: &str| Document::List(vec![text.into()]);
        Document::structure([
            ("PolicyInputList", list(&everything)),
            ("ActionNames", list(action)),
            ("ResourceArns", list(resource)),
            ("ResourcePolicy", text.into()),
            ("CallerArn", ANN.into()),
            ("ResourceOwner", owner.into()),
        ])
    };
    let ask = async |action: &str, resource: &str, text: &str, owner: &str| {
        let asked = asked(action, resource, text, owner);
        simulator.world.call(&simulator.admin, "iam", "SimulateCustomPolicy", asked).await
    };
    let (mine, others) = ("123456789012", "210987654321");
    for (action, resource, owner, expected) in [
        ("sqs:SendMessage", queue, others, "allowed"),
        // Batches are judged as the single action.
        ("sqs:SendMessageBatch", queue, others, "allowed"),
        ("sqs:DeleteQueue", queue, others, "implicitDeny"),
        ("SQS:deletequeue", queue, others, "implicitDeny"),
        ("sqs:DeleteQueue", "*", others, "implicitDeny"),
        ("sqs:DeleteQueue", queue, mine, "allowed"),
        ("sns:Publish", topic, others, "allowed"),
        ("sns:PublishBatch", topic, others, "allowed"),
        ("sns:TagResource", topic, others, "implicitDeny"),
        ("sns:TagResource", topic, mine, "allowed"),
    ] {
        // A topic policy takes no wildcards.
        let text = match action.split_once(':').unwrap().0 {
            "sns" => sharing("*", "sns:DeleteTopic").replace("\"Action\"", "\"NotAction\""),
            _ => sharing("*", "sqs:*"),
        };
        let answer = ask(action, resource, &text, owner).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.element("EvalDecision").unwrap(), expected, "{action} {resource} {owner}");
        assert_eq!(answer.element("EvalActionName").unwrap(), action);
    }
    for (resource, text, why) in [
        (queue, sharing("*", "sns:Publish"), "InvalidAttributeValue"),
        (queue, sharing("*", "sqs:ListQueues"), "is no action of a queue policy"),
        (queue, sharing("*", "sqs:*").replace("\"*\"}]", &format!("\"{queue}2\"}}]")), "is not the queue"),
        (topic, sharing("*", "sns:CreateTopic"), "action out of service scope"),
        (topic, sharing("*", "sns:*"), "action out of service scope"),
    ] {
        let answer = ask("sns:Publish", resource, &text, others).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("InvalidInput") && answer.text().contains(why), "{}", answer.text());
    }
}
