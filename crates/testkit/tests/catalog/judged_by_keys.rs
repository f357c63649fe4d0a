//! What operations tell policies decides at the gate: allowed by a key, denied by it, and neither by what is not known of it.

use casemate_kernel::{Ask, Caller, KeyValue};
use casemate_schema::Document;
use casemate_testkit::{World, variations};
use serde_json::{Value, json};

use crate::{
    condition_keys::{asks, everybodys},
    hints::hints,
    worlds::everything,
};

/// A request, and the right that it is about.
struct Judged<'w> {
    world: &'w World,
    service: &'static str,
    operation: &'static str,
    input: Document,
    action: &'w str,
}

/// Everything is allowed but the action, and that under the condition.
fn allow(action: &str, condition: &Value) -> Value {
    json!([
        {"Effect": "Allow", "NotAction": action, "Resource": "*"},
        {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": condition},
    ])
}

/// Everything is allowed, and the action denied under the condition.
fn deny(action: &str, condition: &Value) -> Value {
    json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition},
    ])
}

impl Judged<'_> {
    /// Is somebody with these statements refused for want of the right?
    async fn refused(&self, statements: &Value) -> bool {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let who = self.world.identities().user("judged", &[&policy]);
        let answer = self.world.call(&who, self.service, self.operation, self.input.clone()).await;
        let action = self.action.to_ascii_lowercase();
        let text = answer.message().to_ascii_lowercase();
        text.contains(&format!("not authorized to perform: {action} "))
    }

    async fn refused_to_allow(&self, condition: &Value) -> bool {
        self.refused(&allow(self.action, condition)).await
    }

    async fn denies(&self, condition: &Value) -> bool {
        self.refused(&deny(self.action, condition)).await
    }
}

/// Rights that identity policies alone give: not those to keys and roles, which their own policies must give, too.
fn is_given_by_identity_policies(ask: &Ask) -> bool {
    !ask.action.starts_with("kms:")
        && !ask.action.starts_with("sts:Assume")
        && !matches!(ask.action, "sts:TagSession" | "sts:SetSourceIdentity")
}

/// A key that an operation tells, with an input that makes it tell.
struct Told {
    service: &'static str,
    operation: &'static str,
    input: Document,
    action: &'static str,
    key: String,
    value: Option<KeyValue>,
}

/// Every key that some operation tells, once for each right.
fn told(world: &World, user: &Caller) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for operation in world.operations() {
        let meta = operation.meta();
        let inputs = variations(meta, &hints);
        let asked = asks(&operation, user);
        for (member, ask) in &asked {
            let Some((_, input)) = inputs.iter().find(|(path, _)| path == member) else { continue };
            let (service, operation, action) = (meta.service.prefix, meta.name, ask.action);
            // Of several questions about one right all must tell it, or its value does not decide alone.
            let agreed = |told: &(String, Option<KeyValue>)| {
                let same = asked.iter().filter(|(path, other)| path == member && other.action == action);
                same.into_iter().all(|(_, other)| other.keys.contains(told))
            };
            let told = ask.keys.iter().filter(|told| is_given_by_identity_policies(ask) && agreed(told));
            for (key, value) in told.cloned() {
                let same = |other: &Told| {
                    other.action == action && other.key == key && other.value.is_some() == value.is_some()
                };
                if !all.iter().any(same) {
                    all.push(Told { service, operation, input: input.clone(), action, key, value });
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn what_is_told_decides_and_a_list_only_by_set_operators() {
    let (world, user) = everybodys();
    let (mut texts, mut lists, mut unknown) = (0, 0, 0);
    for Told { service, operation, input, action, key, value } in told(&world, &user) {
        let what = format!("{service}:{operation} {action} by {key}");
        let judged = Judged { world: &world, service, operation, input, action };
        match value {
            Some(KeyValue::One(text)) => {
                let right = json!({"StringEquals": {&key: text}});
                let wrong = json!({"StringEquals": {&key: "something else"}});
                assert!(!judged.refused_to_allow(&right).await, "{what}");
                assert!(judged.refused_to_allow(&wrong).await, "{what}");
                assert!(judged.denies(&right).await, "{what}");
                assert!(!judged.denies(&wrong).await, "{what}");
                texts += 1;
            }
            Some(KeyValue::Many(_)) => {
                let plain = json!({"StringLike": {&key: "*"}});
                let any = json!({"ForAnyValue:StringLike": {&key: "*"}});
                assert!(judged.refused_to_allow(&plain).await, "{what}: without a set operator");
                assert!(!judged.refused_to_allow(&any).await, "{what}");
                assert!(judged.denies(&any).await, "{what}");
                lists += 1;
            }
            None => {
                let key = key.replace('*', "Sample");
                let (equal, unequal) =
                    (json!({"StringEquals": {&key: "x"}}), json!({"StringNotEquals": {&key: "x"}}));
                assert!(judged.refused_to_allow(&equal).await, "{what}: unknown");
                assert!(judged.refused_to_allow(&unequal).await, "{what}: unknown");
                assert!(judged.denies(&equal).await, "{what}: unknown");
                assert!(judged.denies(&unequal).await, "{what}: unknown");
                unknown += 1;
            }
        }
    }
    assert!(texts >= 40 && lists >= 20 && unknown >= 8, "{texts} {lists} {unknown}");
}

#[tokio::test]
async fn keys_have_the_values_of_the_request() {
    const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:FunctionName";
    const ROLE: &str = "arn:aws:iam::123456789012:role/Sample";
    let world = everything();
    for (service, operation, action, key, value) in [
        ("lambda", "AddPermission", "lambda:AddPermission", "lambda:Principal", "Principal"),
        ("lambda", "CreateFunction", "iam:PassRole", "iam:AssociatedResourceArn", FUNCTION),
        ("lambda", "UpdateFunctionConfiguration", "iam:PassRole", "iam:AssociatedResourceArn", FUNCTION),
        ("cloudformation", "CreateStack", "cloudformation:CreateStack", "cloudformation:RoleArn", ROLE),
        ("cloudformation", "UpdateStack", "cloudformation:UpdateStack", "cloudformation:RoleArn", ROLE),
        ("cloudformation", "DeleteStack", "cloudformation:DeleteStack", "cloudformation:RoleArn", ROLE),
        (
            "cloudformation",
            "CreateChangeSet",
            "cloudformation:CreateChangeSet",
            "cloudformation:ChangeSetName",
            "ChangeSetName",
        ),
        (
            "cloudformation",
            "DeleteChangeSet",
            "cloudformation:DeleteChangeSet",
            "cloudformation:ChangeSetName",
            "ChangeSetName",
        ),
        ("kms", "CreateKey", "kms:CreateKey", "kms:MultiRegion", "false"),
    ] {
        let inputs = variations(world.operation(service, operation), &hints);
        let (_, input) = inputs.into_iter().next().unwrap();
        let judged = Judged { world: &world, service, operation, input, action };
        let right = json!({"StringEquals": {key: value}});
        let wrong = json!({"StringEquals": {key: "something else"}});
        assert!(!judged.refused_to_allow(&right).await, "{operation} by {key}");
        assert!(judged.refused_to_allow(&wrong).await, "{operation} by {key}");
        assert!(judged.denies(&right).await, "{operation} by {key}");
        assert!(!judged.denies(&wrong).await, "{operation} by {key}");
    }
}
