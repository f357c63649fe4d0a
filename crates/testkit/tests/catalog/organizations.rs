//! Organisations over the wire: several accounts in one installation, kept apart, under ceilings that bite at the gate.

use std::sync::Arc;

use casemate_kernel::Site;
use casemate_names::AccountId;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, Response, World};
use http::Method;
use serde_json::{Value, json};

use crate::{
    api::{done, iam, input, new_user, policy, put_policy},
    messages::{decode, decoded, message_of},
    worlds::with_own_identities,
};

pub(crate) const ROLE: &str = "OrganizationAccountAccessRole";

/// A world with an organisation: its management account has an administrator (root) and a user who may do everything.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) root: Credentials,
    pub(crate) boss: Credentials,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let (world, root) = with_own_identities().await;
        let boss = new_user(&world, &root, "boss").await;
        put_policy(&world, &root, "boss", "all", &policy("Allow", "*")).await;
        let scene = Self { world, root, boss };
        scene.done("CreateOrganization", json!({})).await;
        scene
    }

    pub(crate) async fn call(&self, who: &Credentials, operation: &str, body: Value) -> Response {
        let target = format!("AWSOrganizationsV20161128.{operation}");
        json_call(&self.world, who, ("organizations", &target), body).await
    }

    /// The boss does something that must succeed.
    pub(crate) async fn done(&self, operation: &str, body: Value) -> Value {
        let answer = self.call(&self.boss, operation, body).await;
        assert!(answer.status.is_success(), "{operation}: {}", answer.text());
        if answer.text().is_empty() { Value::Null } else { answer.json() }
    }

    /// The boss is refused with this code.
    async fn refused(&self, operation: &str, body: Value, code: &str) -> String {
        let answer = self.call(&self.boss, operation, body).await;
        assert_eq!(answer.code().as_deref(), Some(code), "{operation}: {}", answer.text());
        answer.text()
    }

    pub(crate) async fn account(&self, name: &str) -> AccountId {
        let email = format!("{name}@example.com");
        let made = self.done("CreateAccount", json!({"AccountName": name, "Email": email})).await;
        let status = &made["CreateAccountStatus"];
        assert_eq!(status["State"], "SUCCEEDED", "{made}");
        AccountId::parse(status["AccountId"].as_str().unwrap()).unwrap()
    }

    /// A session of the access role of an account.
    pub(crate) async fn enter(&self, account: &AccountId) -> Credentials {
        self.assume(&self.boss, &format!("arn:aws:iam::{account}:role/{ROLE}")).await.unwrap()
    }

    pub(crate) async fn assume(&self, who: &Credentials, role: &str) -> Result<Credentials, Response> {
        let members = input(&[("RoleArn", role), ("RoleSessionName", "session")]);
        let answer = self.world.call(who, "sts", "AssumeRole", members).await;
        if !answer.status.is_success() {
            return Err(answer);
        }
        let part = |name: &str| answer.element(name).unwrap();
        Ok(Credentials::new(part("AccessKeyId"), part("SecretAccessKey")).with_token(part("SessionToken")))
    }

    /// A key of a member account's root user, as an installation's administrator could make one.
    pub(crate) async fn root_of(&self, account: &AccountId) -> Credentials {
        let mut env = self.world.env().clone();
        let mut site = Site::clone(&env.site);
        site.scope.account = account.clone();
        env.site = Arc::new(site);
        let (id, secret) = casemate_iam::ensure_administrator(&env).await.unwrap().unwrap();
        Credentials::new(id, secret.expose().clone())
    }

    async fn root_id(&self) -> String {
        text(&self.done("ListRoots", json!({})).await["Roots"][0]["Id"])
    }

    async fn unit(&self, parent: &str, name: &str) -> String {
        let made = self.done("CreateOrganizationalUnit", json!({"ParentId": parent, "Name": name})).await;
        text(&made["OrganizationalUnit"]["Id"])
    }

    async fn moved(&self, account: &AccountId, from: &str, to: &str) {
        let body = json!({
            "AccountId": account.as_str(), "SourceParentId": from, "DestinationParentId": to,
        });
        self.done("MoveAccount", body).await;
    }

    pub(crate) async fn policy(&self, kind: &str, name: &str, document: &Value) -> String {
        let body = json!({
            "Name": name, "Description": "", "Type": kind, "Content": document.to_string(),
        });
        text(&self.done("CreatePolicy", body).await["Policy"]["PolicySummary"]["Id"])
    }

    async fn scp(&self, name: &str, effect: &str, action: &str) -> String {
        let document: Value = serde_json::from_str(&policy(effect, action)).unwrap();
        self.policy("SERVICE_CONTROL_POLICY", name, &document).await
    }

    pub(crate) async fn attach(&self, policy: &str, target: &str) {
        self.done("AttachPolicy", json!({"PolicyId": policy, "TargetId": target})).await;
    }

    pub(crate) async fn detach(&self, policy: &str, target: &str) {
        self.done("DetachPolicy", json!({"PolicyId": policy, "TargetId": target})).await;
    }

    /// Who is allowed to list tables? `Err` is the refusal's text.
    pub(crate) async fn lists_tables(&self, who: &Credentials) -> Result<(), String> {
        dynamodb(&self.world, who, "ListTables", json!({})).await.map(drop)
    }
}

async fn json_call(world: &World, who: &Credentials, service: (&str, &str), body: Value) -> Response {
    let (name, target) = service;
    let content =
        if name == "dynamodb" { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
    let request = Request::new(Method::POST, "/")
        .header("x-amz-target", target)
        .header("content-type", content)
        .body(body.to_string())
        .signed(who, name, "us-east-1", world.now());
    world.send(&request).await
}

/// The answer, or the text of a refusal by the gate; any other failure is the test's.
async fn dynamodb(world: &World, who: &Credentials, operation: &str, body: Value) -> Result<Value, String> {
    let target = format!("DynamoDB_20120810.{operation}");
    let answer = json_call(world, who, ("dynamodb", &target), body).await;
    if answer.status.is_success() {
        return Ok(answer.json());
    }
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
    Err(answer.text())
}

fn table(name: &str) -> Value {
    json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_management_account_enters_a_new_account_and_works_there() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let inside = scene.enter(&account).await;
    let who = scene.world.call(&inside, "sts", "GetCallerIdentity", input(&[])).await;
    assert_eq!(who.element("Account").as_deref(), Some(account.as_str()));
    let made = dynamodb(&scene.world, &inside, "CreateTable", table("notes")).await.unwrap();
    let arn = text(&made["TableDescription"]["TableArn"]);
    assert_eq!(arn, format!("arn:aws:dynamodb:us-east-1:{account}:table/notes"));
    // Where the work was done it is seen, elsewhere not.
    let home = dynamodb(&scene.world, &scene.boss, "ListTables", json!({})).await.unwrap();
    assert_eq!(home["TableNames"], json!([]));
    done(&scene.world, &inside, "CreateUser", &[("UserName", "insider")]).await;
    let users = iam(&scene.world, &scene.boss, "ListUsers", &[]).await.text();
    assert!(!users.contains("insider"), "{users}");
}

#[tokio::test]
async fn making_the_role_leaves_records_of_its_own() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let records = scene.world.audit.records();
    let made = records.iter().find(|record| format!("{record:?}").contains("\"PutRolePolicy\"")).unwrap();
    let shown = format!("{made:?}");
    assert!(shown.contains("organizations.amazonaws.com") && shown.contains(account.as_str()), "{shown}");
}

#[tokio::test]
async fn members_reach_neither_each_other_nor_the_management_account() {
    let scene = Scene::new().await;
    let (a, b) = (scene.account("a").await, scene.account("b").await);
    let (in_a, in_b) = (scene.enter(&a).await, scene.enter(&b).await);
    dynamodb(&scene.world, &in_b, "CreateTable", table("secrets")).await.unwrap();
    dynamodb(&scene.world, &scene.boss, "CreateTable", table("ledger")).await.unwrap();
    done(&scene.world, &scene.root, "CreateUser", &[("UserName", "vault")]).await;
    let before = scene.world.digest();
    for (account, name) in [(b.as_str(), "secrets"), ("123456789012", "ledger")] {
        let arn = format!("arn:aws:dynamodb:us-east-1:{account}:table/{name}");
        for operation in ["DescribeTable", "Scan", "DeleteTable"] {
            let refused = dynamodb(&scene.world, &in_a, operation, json!({"TableName": arn})).await;
            assert!(refused.is_err(), "{operation} {arn}");
        }
    }
    // By bare name it is a table of one's own, which does not exist.
    for (name, target) in
        [("secrets", "DynamoDB_20120810.DescribeTable"), ("ledger", "DynamoDB_20120810.Scan")]
    {
        let answer = json_call(&scene.world, &in_a, ("dynamodb", target), json!({"TableName": name})).await;
        assert_eq!(answer.code().as_deref(), Some("ResourceNotFoundException"), "{}", answer.text());
    }
    let user = iam(&scene.world, &in_a, "GetUser", &[("UserName", "vault")]).await;
    assert_eq!(user.code().as_deref(), Some("NoSuchEntity"));
    for account in [b.as_str(), "123456789012"] {
        let role = format!("arn:aws:iam::{account}:role/{ROLE}");
        let refused = scene.assume(&in_a, &role).await.unwrap_err();
        assert_eq!(refused.code().as_deref(), Some("AccessDenied"), "{}", refused.text());
    }
    for operation in ["ListAccounts", "ListRoots", "DeleteOrganization", "CreateOrganization"] {
        let refused = scene.call(&in_a, operation, json!({})).await;
        assert!(refused.status.is_client_error(), "{operation}: {}", refused.text());
    }
    let body = json!({"AccountName": "c", "Email": "c@example.com"});
    let refused = scene.call(&in_a, "CreateAccount", body).await;
    assert_eq!(refused.code().as_deref(), Some("AccessDeniedException"), "{}", refused.text());
    // Nothing changed but when the sessions were used, which is not stored.
    assert_eq!(scene.world.digest(), before);
    // What a member may see.
    assert!(scene.call(&in_a, "DescribeOrganization", json!({})).await.status.is_success());
}

#[tokio::test]
async fn whoever_is_in_no_organization_is_told_so() {
    let (world, root) = with_own_identities().await;
    let target = "AWSOrganizationsV20161128.ListAccounts";
    let answer = json_call(&world, &root, ("organizations", target), json!({})).await;
    assert_eq!(answer.code().as_deref(), Some("AWSOrganizationsNotInUseException"), "{}", answer.text());
}

#[tokio::test]
async fn a_role_for_another_account_is_made_by_nobody_else() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let user = new_user(&scene.world, &scene.root, "nobody").await;
    // The built-in policy of an account names a service. Users have what their own policies say, also where it applies.
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}}"#;
    let members = [("RoleName", "OrganizationAccountAccessRole"), ("AssumeRolePolicyDocument", trust)];
    let refused = iam(&scene.world, &user, "CreateRole", &members).await;
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"), "{}", refused.text());
    let refused = scene.assume(&user, &format!("arn:aws:iam::{account}:role/{ROLE}")).await.unwrap_err();
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"));
}

#[tokio::test]
async fn a_service_control_policy_binds_the_root_of_a_member_and_spares_the_management_account() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let (member_root, inside) = (scene.root_of(&account).await, scene.enter(&account).await);
    for who in [&member_root, &inside, &scene.root, &scene.boss] {
        scene.lists_tables(who).await.unwrap();
    }
    let deny = scene.scp("no tables", "Deny", "dynamodb:*").await;
    scene.attach(&deny, &scene.root_id().await).await;
    for who in [&member_root, &inside] {
        let refused = scene.lists_tables(who).await.unwrap_err();
        assert!(refused.contains("with an explicit deny in a service control policy"), "{refused}");
    }
    scene.lists_tables(&scene.root).await.unwrap();
    scene.lists_tables(&scene.boss).await.unwrap();
    // Detaching bites at the next request, too.
    scene.detach(&deny, &scene.root_id().await).await;
    scene.lists_tables(&member_root).await.unwrap();
}

#[tokio::test]
async fn one_policy_of_a_level_suffices_and_every_level_must_allow() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let inside = scene.enter(&account).await;
    let (root, full) = (scene.root_id().await, "p-FullAWSAccess");
    let unit = scene.unit(&root, "unit").await;
    scene.moved(&account, &root, &unit).await;
    let tables = scene.scp("tables", "Allow", "dynamodb:*").await;
    let logs = scene.scp("logs", "Allow", "logs:*").await;
    // OR within a level.
    scene.attach(&logs, &unit).await;
    scene.attach(&tables, &unit).await;
    scene.detach(full, &unit).await;
    scene.lists_tables(&inside).await.unwrap();
    // AND across levels: the account's own level allows everything, the unit's no tables any more.
    scene.detach(&tables, &unit).await;
    let refused = scene.lists_tables(&inside).await.unwrap_err();
    let why = "because no service control policy allows the dynamodb:ListTables action";
    assert!(refused.contains(why), "{refused}");
    // Out of the unit, out of its ceiling.
    scene.moved(&account, &unit, &root).await;
    scene.lists_tables(&inside).await.unwrap();
    // And the other way round: the last level alone can refuse.
    scene.attach(&logs, account.as_str()).await;
    scene.detach(full, account.as_str()).await;
    scene.lists_tables(&inside).await.unwrap_err();
}

#[tokio::test]
async fn a_ceiling_grants_nothing() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let inside = scene.enter(&account).await;
    let user = new_user(&scene.world, &inside, "plain").await;
    let refused = scene.lists_tables(&user).await.unwrap_err();
    assert!(refused.contains("because no identity-based policy allows"), "{refused}");
}

#[tokio::test]
async fn a_resource_control_policy_denies_foreign_principals_what_an_open_trust_policy_gives() {
    let scene = Scene::new().await;
    let (a, b) = (scene.account("a").await, scene.account("b").await);
    let (in_a, in_b) = (scene.enter(&a).await, scene.enter(&b).await);
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}}"#;
    done(&scene.world, &in_b, "CreateRole", &[("RoleName", "open"), ("AssumeRolePolicyDocument", trust)])
        .await;
    let open = format!("arn:aws:iam::{b}:role/open");
    scene.assume(&in_a, &open).await.unwrap();
    let root = scene.root_id().await;
    scene.done("EnablePolicyType", json!({"RootId": root, "PolicyType": "RESOURCE_CONTROL_POLICY"})).await;
    scene.assume(&in_a, &open).await.unwrap();
    // Only principals of b may, says b's ceiling.
    let document = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipalAccount": b.as_str()}},
    }});
    let own = scene.policy("RESOURCE_CONTROL_POLICY", "own only", &document).await;
    scene.attach(&own, b.as_str()).await;
    let refused = scene.assume(&in_a, &open).await.unwrap_err();
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"));
    let shown = refused.text();
    assert!(shown.contains("with an explicit deny in a resource control policy"), "{shown}");
    scene.assume(&in_b, &open).await.unwrap();
    // Roles of other accounts are not touched, and IAM itself is no service that these policies govern.
    scene.assume(&scene.boss, &format!("arn:aws:iam::{a}:role/{ROLE}")).await.unwrap();
    done(&scene.world, &in_b, "GetRole", &[("RoleName", "open")]).await;
    scene.detach(&own, b.as_str()).await;
    scene.assume(&in_a, &open).await.unwrap();
}

#[tokio::test]
async fn organization_keys_tell_members_from_strangers() {
    let scene = Scene::new().await;
    let (a, b) = (scene.account("a").await, scene.account("b").await);
    let (in_a, in_b) = (scene.enter(&a).await, scene.enter(&b).await);
    let organization = text(&scene.done("DescribeOrganization", json!({})).await["Organization"]["Id"]);
    let root = scene.root_id().await;
    let unit = scene.unit(&root, "unit").await;
    scene.moved(&a, &root, &unit).await;
    let roles = [
        ("by-id", "StringEquals", "aws:PrincipalOrgID", organization.clone(), true),
        ("by-other-id", "StringEquals", "aws:PrincipalOrgID", "o-zzzzzzzzzz".to_owned(), false),
        ("by-resource", "StringEquals", "aws:ResourceOrgID", organization.clone(), true),
        (
            "by-path",
            "ForAnyValue:StringLike",
            "aws:PrincipalOrgPaths",
            format!("{organization}/{root}/{unit}/*"),
            true,
        ),
        (
            "by-other-path",
            "ForAnyValue:StringLike",
            "aws:PrincipalOrgPaths",
            format!("{organization}/{root}/ou-none-00000000/*"),
            false,
        ),
        ("by-source", "StringEquals", "aws:SourceOrgID", organization.clone(), false),
    ];
    for (name, operator, key, value, expected) in roles {
        let trust = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"},
            "Condition": {operator: {key: value}},
        }});
        let members = [("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())];
        done(&scene.world, &in_b, "CreateRole", &members).await;
        let got = scene.assume(&in_a, &format!("arn:aws:iam::{b}:role/{name}")).await;
        assert_eq!(got.is_ok(), expected, "{name}");
    }
    // Out of the organisation the keys are absent.
    scene.done("RemoveAccountFromOrganization", json!({"AccountId": a.as_str()})).await;
    let refused = scene.assume(&in_a, &format!("arn:aws:iam::{b}:role/by-id")).await.unwrap_err();
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"));
}

#[tokio::test]
async fn strangers_are_not_told_why() {
    let scene = Scene::new().await;
    let (a, b) = (scene.account("a").await, scene.account("b").await);
    let in_a = scene.enter(&a).await;
    let role = format!("arn:aws:iam::{b}:role/{ROLE}");
    let known = scene.assume(&in_a, &role).await.unwrap_err().text();
    assert!(known.contains("because no "), "{known}");
    scene.done("RemoveAccountFromOrganization", json!({"AccountId": a.as_str()})).await;
    let refused = scene.assume(&in_a, &role).await.unwrap_err().text();
    assert!(refused.contains("is not authorized to perform: sts:AssumeRole on resource"), "{refused}");
    assert!(!refused.contains("because") && !refused.contains("explicit deny"), "{refused}");
}

#[tokio::test]
async fn a_message_says_of_a_ceiling_that_it_refused_and_nothing_else_and_only_its_own_account_reads_it() {
    let scene = Scene::new().await;
    let (account, other) = (scene.account("workload").await, scene.account("other").await);
    let (inside, elsewhere) = (scene.enter(&account).await, scene.enter(&other).await);
    let ceiling = json!({"Version": "2012-10-17", "Statement": [{"Sid": "Codename", "Effect": "Deny",
        "Action": "dynamodb:*", "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipalTag/codename": "x", "aws:PrincipalArn": "x"}}}]});
    scene.attach(&scene.policy("SERVICE_CONTROL_POLICY", "secret", &ceiling).await, account.as_str()).await;
    let target = "DynamoDB_20120810.ListTables";
    let refused = json_call(&scene.world, &inside, ("dynamodb", target), json!({})).await;
    let message = message_of(&refused);
    let told = decoded(&scene.world, &inside, &message).await;
    assert_eq!((&told["explicitDeny"], &told["layer"]), (&json!(true), &json!("service control")));
    assert_eq!(told["matchedStatements"]["items"], json!([]));
    assert_eq!(told["context"]["conditions"]["items"], json!([]), "only the ceiling mentions any");
    assert!(!told.to_string().to_lowercase().contains("codename"), "{told}");
    for stranger in [&elsewhere, &scene.root] {
        let unreadable = decode(&scene.world, stranger, &message).await;
        assert_eq!(unreadable.code().as_deref(), Some("InvalidAuthorizationMessageException"));
    }
}

/// Decision and `AllowedByOrganizations` of a simulation by a member's administrator.
async fn simulated(
    scene: &Scene,
    who: &Credentials,
    source: &str,
    more: &[(&str, &str)],
) -> (String, String) {
    let mut asked = input(&[("PolicySourceArn", source)]);
    asked.push("ActionNames", Document::List(vec!["dynamodb:ListTables".into()]));
    for (name, value) in more {
        asked.push(name, Document::List(vec![(*value).into()]));
    }
    let answer = scene.world.call(who, "iam", "SimulatePrincipalPolicy", asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("Codename"), "{}", answer.text());
    let allowed = answer.element("AllowedByOrganizations").unwrap_or_default();
    (answer.element("EvalDecision").unwrap(), allowed)
}

#[tokio::test]
async fn a_simulation_of_a_principal_decides_under_the_ceilings_as_the_gate_does() {
    let scene = Scene::new().await;
    let (account, other) = (scene.account("workload").await, scene.account("other").await);
    let inside = scene.enter(&account).await;
    let role = format!("arn:aws:iam::{account}:role/{ROLE}");
    let table = |account: &AccountId| format!("arn:aws:dynamodb:us-east-1:{account}:table/t");
    let (own, foreign) = (table(&account), table(&other));
    let yes = ("allowed".to_owned(), "true".to_owned());
    let no = ("explicitDeny".to_owned(), "false".to_owned());
    assert_eq!(simulated(&scene, &inside, &role, &[]).await, yes);
    scene.lists_tables(&inside).await.unwrap();

    let deny = |principal: bool| {
        let mut statement =
            json!({"Sid": "Codename", "Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"});
        if principal {
            statement["Principal"] = json!("*");
        }
        json!({"Version": "2012-10-17", "Statement": [statement]})
    };
    let ceiling = scene.policy("SERVICE_CONTROL_POLICY", "s", &deny(false)).await;
    scene.attach(&ceiling, account.as_str()).await;
    assert_eq!(simulated(&scene, &inside, &role, &[]).await, no);
    scene.lists_tables(&inside).await.unwrap_err();
    scene.detach(&ceiling, account.as_str()).await;
    assert_eq!(simulated(&scene, &inside, &role, &[]).await, yes);

    // A resource's ceilings count for the own account's resources; of another's nothing is told.
    let root = scene.root_id().await;
    scene.done("EnablePolicyType", json!({"RootId": root, "PolicyType": "RESOURCE_CONTROL_POLICY"})).await;
    let ceiling = scene.policy("RESOURCE_CONTROL_POLICY", "r", &deny(true)).await;
    scene.attach(&ceiling, account.as_str()).await;
    scene.attach(&ceiling, other.as_str()).await;
    assert_eq!(simulated(&scene, &inside, &role, &[("ResourceArns", &own)]).await, no);
    assert_eq!(simulated(&scene, &inside, &role, &[("ResourceArns", &foreign)]).await, yes);
    scene.lists_tables(&inside).await.unwrap_err();
}

#[tokio::test]
async fn an_implicit_deny_of_a_ceiling_is_simulated_and_the_management_account_has_none() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let inside = scene.enter(&account).await;
    let role = format!("arn:aws:iam::{account}:role/{ROLE}");
    let narrow = scene.scp("narrow", "Allow", "iam:*").await;
    scene.attach(&narrow, account.as_str()).await;
    scene.detach("p-FullAWSAccess", account.as_str()).await;
    let simulated_inside = simulated(&scene, &inside, &role, &[]).await;
    assert_eq!(simulated_inside, ("implicitDeny".to_owned(), "false".to_owned()));
    scene.lists_tables(&inside).await.unwrap_err();
    let boss = "arn:aws:iam::123456789012:user/boss";
    let (decision, allowed) = simulated(&scene, &scene.boss, boss, &[]).await;
    assert_eq!((decision.as_str(), allowed.as_str()), ("allowed", ""));
}

#[tokio::test]
async fn a_closed_account_is_dead() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let (inside, member_root) = (scene.enter(&account).await, scene.root_of(&account).await);
    scene.done("CloseAccount", json!({"AccountId": account.as_str()})).await;
    scene.lists_tables(&inside).await.unwrap_err();
    scene.lists_tables(&member_root).await.unwrap_err();
    // Nor by what no policy is asked for.
    let whoami = scene.world.call(&inside, "sts", "GetCallerIdentity", Document::empty()).await;
    assert_eq!(whoami.status, 403, "{}", whoami.text());
    let role = format!("arn:aws:iam::{account}:role/{ROLE}");
    scene.assume(&scene.boss, &role).await.unwrap_err();
    // It cannot be revived by taking it out.
    let id = json!({"AccountId": account.as_str()});
    scene.refused("RemoveAccountFromOrganization", id, "ConstraintViolationException").await;
}

#[tokio::test]
async fn each_account_issues_tokens_of_its_own_and_a_closed_one_none() {
    let scene = Scene::new().await;
    let account = scene.account("dev").await;
    let root = scene.root_of(&account).await;
    let mut ask = input(&[("SigningAlgorithm", "ES384")]);
    ask.push("Audience", Document::List(vec!["app".into()]));
    let token = async |who: &Credentials| {
        let answer = scene.world.call(who, "sts", "GetWebIdentityToken", ask.clone()).await;
        answer.element("WebIdentityToken").ok_or_else(|| answer.code().unwrap_or_default())
    };
    let enable = async |who: &Credentials| {
        let made = iam(&scene.world, who, "EnableOutboundWebIdentityFederation", &[]).await;
        made.element("IssuerIdentifier").unwrap()
    };
    let get = async |issuer: &str, document: &str| {
        let path = issuer.strip_prefix("http://localhost:4566").unwrap();
        scene.world.send(&Request::new(Method::GET, &format!("{path}/.well-known/{document}"))).await
    };
    // What one account switches on is not on in another.
    let ours = enable(&scene.root).await;
    assert_eq!(token(&root).await.unwrap_err(), "OutboundWebIdentityFederationDisabledException");
    let theirs = enable(&root).await;
    assert_ne!(ours, theirs);
    let made = token(&root).await.unwrap();
    for (issuer, verifies) in [(&ours, false), (&theirs, true)] {
        let keys = get(issuer, "jwks.json").await;
        let keys = casemate_jose::read_key_set(keys.text().as_bytes()).unwrap();
        let found = |kid: &str| keys.iter().find(|(id, _)| id == kid).map(|(_, key)| key.clone());
        let verified = casemate_jose::verify(&made, found);
        assert_eq!(verified.is_ok(), verifies, "{issuer}");
        if let Ok(verified) = verified {
            let own = &verified.claims["https://sts.amazonaws.com/"];
            assert_eq!(
                (&verified.claims["iss"], &own["aws_account"]),
                (&json!(theirs), &json!(account.as_str()))
            );
            let (organization, path) = (own["org_id"].as_str().unwrap(), own["ou_path"].as_str().unwrap());
            assert!(organization.starts_with("o-") && path.starts_with(organization), "{own}");
        }
    }
    let none = scene.scp("no-tokens", "Deny", "sts:GetWebIdentityToken").await;
    scene.attach(&none, account.as_str()).await;
    assert_eq!(token(&root).await.unwrap_err(), "AccessDenied");
    scene.detach(&none, account.as_str()).await;
    assert!(token(&root).await.is_ok());
    scene.done("CloseAccount", json!({"AccountId": account.as_str()})).await;
    assert!(token(&root).await.is_err());
    for document in ["jwks.json", "openid-configuration"] {
        assert_eq!(get(&theirs, document).await.status, 403);
        assert_eq!(get(&ours, document).await.status, 200);
    }
}

#[tokio::test]
async fn a_policy_that_cannot_be_understood_is_not_stored() {
    let scene = Scene::new().await;
    let allow = policy("Allow", "*");
    let wrong = [
        ("SERVICE_CONTROL_POLICY", "{".to_owned()),
        ("SERVICE_CONTROL_POLICY", r#"{"Version":"2012-10-17","Statement":{"Effect":"Maybe","Action":"*","Resource":"*"}}"#.to_owned()),
        ("SERVICE_CONTROL_POLICY", r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#.to_owned()),
        // These can only deny.
        ("RESOURCE_CONTROL_POLICY", allow.clone()),
    ];
    let before = scene.world.digest();
    for (kind, content) in wrong {
        let body = json!({"Name": "p", "Description": "", "Type": kind, "Content": content});
        scene.refused("CreatePolicy", body, "MalformedPolicyDocumentException").await;
    }
    let long = format!("{allow}{}", " ".repeat(5120));
    let body = json!({"Name": "p", "Description": "", "Type": "SERVICE_CONTROL_POLICY", "Content": long});
    scene.refused("CreatePolicy", body, "ConstraintViolationException").await;
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn nobody_makes_a_role_that_no_ceiling_binds() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let inside = scene.enter(&account).await;
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}}"#;
    for path in ["/aws-service-role/", "/aws-service-role/lambda.amazonaws.com/"] {
        let members = [("RoleName", "mine"), ("AssumeRolePolicyDocument", trust), ("Path", path)];
        let refused = iam(&scene.world, &inside, "CreateRole", &members).await;
        assert_eq!(refused.code().as_deref(), Some("InvalidInput"), "{}", refused.text());
    }
}

/// Everything a sign-up needs, in the account of whoever makes it: the client's id and the pool's.
async fn open_pool(scene: &Scene, who: &Credentials) -> (String, String) {
    let idp = |operation: &'static str, body: Value| async move {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let answer = json_call(&scene.world, who, ("cognito-idp", &target), body).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        answer.json()
    };
    let pool = idp("CreateUserPool", json!({"PoolName": "people"})).await["UserPool"]["Id"].clone();
    let client = json!({"UserPoolId": pool, "ClientName": "app"});
    let client = idp("CreateUserPoolClient", client).await["UserPoolClient"]["ClientId"].clone();
    (client.as_str().unwrap().to_owned(), pool.as_str().unwrap().to_owned())
}

/// An API whose one method asks nobody and answers 200; its address.
async fn open_api(scene: &Scene, who: &Credentials) -> String {
    let rest = |method: Method, path: String, body: Value| async move {
        let request = Request::new(method, &path).header("content-type", "application/json");
        let signed = request.body(body.to_string()).signed(who, "apigateway", "us-east-1", scene.world.now());
        let answer = scene.world.send(&signed).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        answer.json()
    };
    let api = rest(Method::POST, "/restapis".to_owned(), json!({"name": "shop"})).await;
    let (id, root) = (api["id"].as_str().unwrap(), api["rootResourceId"].as_str().unwrap());
    let at = format!("/restapis/{id}/resources/{root}/methods/GET");
    rest(Method::PUT, at.clone(), json!({"authorizationType": "NONE"})).await;
    let answers = json!({"type": "MOCK", "requestTemplates": {"application/json": "{\"statusCode\": 200}"}});
    rest(Method::PUT, format!("{at}/integration"), answers).await;
    rest(Method::PUT, format!("{at}/responses/200"), json!({})).await;
    rest(Method::PUT, format!("{at}/integration/responses/200"), json!({})).await;
    rest(Method::POST, format!("/restapis/{id}/deployments"), json!({"stageName": "v1"})).await;
    format!("/_aws/execute-api/{id}/v1/")
}

#[tokio::test]
async fn what_a_closed_account_opened_to_everybody_is_closed_too() {
    let scene = Scene::new().await;
    let (closed, other) = (scene.account("closed").await, scene.account("other").await);
    let mut seen = Vec::new();
    for account in [&closed, &other] {
        let inside = scene.enter(account).await;
        let (client, pool) = open_pool(&scene, &inside).await;
        seen.push((client, pool, open_api(&scene, &inside).await));
    }
    let ask = |(client, pool, api): (String, String, String)| {
        let world = &scene.world;
        async move {
            let body = json!({"ClientId": client, "Username": "ann", "Password": "Correct-Horse-1!"});
            let sign_up = Request::new(Method::POST, "/")
                .header("x-amz-target", "AWSCognitoIdentityProviderService.SignUp")
                .header("content-type", "application/x-amz-json-1.1")
                .body(body.to_string());
            let keys = format!("/{pool}/.well-known/jwks.json");
            let mut answers = vec![world.send(&sign_up).await];
            for path in [keys, api] {
                answers.push(world.send(&Request::new(Method::GET, &path)).await);
            }
            answers
        }
    };
    for answer in ask(seen[0].clone()).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    scene.done("CloseAccount", json!({"AccountId": closed.as_str()})).await;
    let refused = ask(seen[0].clone()).await;
    assert_eq!(refused[0].code().as_deref(), Some("AccessDeniedException"), "{}", refused[0].text());
    for answer in &refused[1..] {
        assert_eq!((answer.status.as_u16(), answer.text()), (403, r#"{"message":"Forbidden"}"#.to_owned()));
    }
    for answer in ask(seen[1].clone()).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_key_of_one_account_serves_a_user_of_another_whose_own_policies_allow_it() {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    let inside = scene.enter(&account).await;
    let user = crate::api::new_user(&scene.world, &inside, "ann").await;
    let arn = format!("arn:aws:iam::{account}:user/ann");
    let kms = async |who: &Credentials, operation: &str, body: Value| {
        json_call(&scene.world, who, ("kms", &format!("TrentService.{operation}")), body).await
    };
    let key = kms(&scene.boss, "CreateKey", json!({})).await;
    let key = text(&key.json()["KeyMetadata"]["Arn"]);
    let input = json!({"KeyId": key, "Plaintext": "YQ=="});
    let encrypts = async || {
        let answer = kms(&user, "Encrypt", input.clone()).await;
        assert!(answer.status == 200 || answer.code().as_deref() == Some("AccessDeniedException"));
        answer.status == 200
    };
    let grant = json!({"KeyId": key, "GranteePrincipal": arn, "Operations": ["Encrypt"]});
    let granted = kms(&scene.boss, "CreateGrant", grant).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    assert!(!encrypts().await, "the grant alone");
    put_policy(&scene.world, &inside, "ann", "p", &policy("Allow", "kms:Encrypt")).await;
    assert!(encrypts().await);
    let members = json!({"KeyId": key, "GrantId": granted.json()["GrantId"]});
    assert_eq!(kms(&scene.boss, "RevokeGrant", members).await.status, 200);
    assert!(!encrypts().await, "its own policy alone");
}
