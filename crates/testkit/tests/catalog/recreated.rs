//! A role deleted and made again under its name: what any service keeps of the old one's sessions is not the new one's, and
//! what forbids a session something goes on to. Everything over the wire, over the real identity service.

use casemate_testkit::{Credentials, Request, Response, World};
use http::Method;
use serde_json::{Value, json};

use crate::{
    api::{delete_user, done, input, new_user, policy},
    worlds::with_own_identities,
};

const ACCOUNT: &str = "arn:aws:iam::123456789012:root";
const NAMED: &str = "arn:aws:sts::123456789012:assumed-role/worker/session";
const TRUSTS_THE_ACCOUNT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"123456789012"}}]}"#;
const TRUSTS_LAMBDA: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}"#;

struct Scene {
    world: World,
    admin: Credentials,
    ann: Credentials,
    /// Of the role `worker`.
    path: &'static str,
}

impl Scene {
    /// A world in which ann may take any role that trusts the account, and the role `worker`, which can do what `allows` says.
    async fn new(path: &'static str, allows: &str) -> Self {
        let (world, admin) = with_own_identities().await;
        let ann = new_user(&world, &admin, "ann").await;
        let text = policy("Allow", "sts:AssumeRole");
        let members = [("UserName", "ann"), ("PolicyName", "p"), ("PolicyDocument", text.as_str())];
        done(&world, &admin, "PutUserPolicy", &members).await;
        let scene = Self { world, admin, ann, path };
        scene.make(allows).await;
        scene
    }

    async fn make(&self, allows: &str) {
        let members =
            [("RoleName", "worker"), ("Path", self.path), ("AssumeRolePolicyDocument", TRUSTS_THE_ACCOUNT)];
        done(&self.world, &self.admin, "CreateRole", &members).await;
        let text = policy("Allow", allows);
        let members = [("RoleName", "worker"), ("PolicyName", "p"), ("PolicyDocument", text.as_str())];
        done(&self.world, &self.admin, "PutRolePolicy", &members).await;
    }

    async fn make_again(&self, allows: &str) {
        done(&self.world, &self.admin, "DeleteRolePolicy", &[("RoleName", "worker"), ("PolicyName", "p")])
            .await;
        done(&self.world, &self.admin, "DeleteRole", &[("RoleName", "worker")]).await;
        self.make(allows).await;
    }

    /// A session of that name of the role `worker`.
    async fn session(&self, name: &str) -> Credentials {
        let role = format!("arn:aws:iam::123456789012:role{}worker", self.path);
        credentials(&self.assume(&self.ann, &role, name).await)
    }

    async fn assume(&self, who: &Credentials, role: &str, name: &str) -> Response {
        let members = input(&[("RoleArn", role), ("RoleSessionName", name)]);
        self.world.call(who, "sts", "AssumeRole", members).await
    }

    async fn kms(&self, who: &Credentials, operation: &str, body: Value) -> Response {
        let request = Request::new(Method::POST, "/")
            .header("x-amz-target", &format!("TrentService.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string())
            .signed(who, "kms", "us-east-1", self.world.now());
        self.world.send(&request).await
    }

    /// A key whose policy is the account's and these statements.
    async fn key(&self, statements: &[Value]) -> String {
        let account =
            json!({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"});
        let mut all = vec![account];
        all.extend_from_slice(statements);
        let policy = json!({"Version": "2012-10-17", "Statement": all}).to_string();
        let made = self.kms(&self.admin, "CreateKey", json!({"Policy": policy})).await;
        assert_eq!(made.status, 200, "{}", made.text());
        made.json()["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    async fn encrypts(&self, who: &Credentials, key: &str) -> bool {
        let answer = self.kms(who, "Encrypt", json!({"KeyId": key, "Plaintext": "YQ=="})).await;
        let denied = answer.code().as_deref() == Some("AccessDeniedException");
        assert!(answer.status == 200 || denied, "{}", answer.text());
        answer.status == 200
    }

    async fn lambda(&self, who: &Credentials, method: Method, path: &str, body: &Value) -> Response {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::new(method, path)
            .header("content-type", "application/json")
            .body(body)
            .signed(who, "lambda", "us-east-1", self.world.now());
        self.world.send(&request).await
    }

    async fn function(&self) {
        let members = [("RoleName", "exec"), ("AssumeRolePolicyDocument", TRUSTS_LAMBDA)];
        done(&self.world, &self.admin, "CreateRole", &members).await;
        let function = json!({
            "FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/exec", "Runtime": "python3.11",
            "Handler": "a.b", "Code": { "ZipFile": EMPTY_ARCHIVE },
        });
        let made = self.lambda(&self.admin, Method::POST, "/2015-03-31/functions", &function).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }

    async fn permit(&self, id: &str, principal: &str) -> Response {
        let body = json!({"StatementId": id, "Action": "lambda:GetFunction", "Principal": principal});
        self.lambda(&self.admin, Method::POST, "/2015-03-31/functions/f/policy", &body).await
    }

    async fn sees_the_function(&self, who: &Credentials) -> bool {
        let answer = self.lambda(who, Method::GET, "/2015-03-31/functions/f", &Value::Null).await;
        let denied = answer.code().as_deref() == Some("AccessDeniedException");
        assert!(answer.status == 200 || denied, "{}", answer.text());
        answer.status == 200
    }
}

/// A ZIP archive of one empty file, `a.py`.
const EMPTY_ARCHIVE: &str = "UEsDBBQAAAAAAAAAIQAAAAAAAAAAAAAAAAAEAAAAYS5weVBLAQIUAxQAAAAAAAAAIQAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAACkAQAAAABhLnB5UEsFBgAAAAABAAEAMgAAACIAAAAAAA==";

fn credentials(answer: &Response) -> Credentials {
    assert!(answer.status.is_success(), "{}", answer.text());
    let part = |name: &str| answer.element(name).unwrap();
    Credentials::new(part("AccessKeyId"), part("SecretAccessKey")).with_token(part("SessionToken"))
}

fn statement(effect: &str, element: &str, principals: &[&str], action: &str) -> Value {
    json!({"Effect": effect, element: {"AWS": principals}, "Action": action, "Resource": "*"})
}

#[tokio::test]
async fn a_functions_permission_for_a_session_ends_with_its_role() {
    for path in ["/", "/team/"] {
        let scene = Scene::new(path, "sts:GetCallerIdentity").await;
        scene.function().await;
        let (session, other) = (scene.session("session").await, scene.session("other").await);
        assert!(!scene.sees_the_function(&session).await);
        let answer = scene.permit("s", NAMED).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert!(scene.sees_the_function(&session).await);
        assert!(!scene.sees_the_function(&other).await, "another session of the role");
        scene.make_again("sts:GetCallerIdentity").await;
        let again = scene.session("session").await;
        assert!(!scene.sees_the_function(&again).await, "the new role's session of that name");
        let shown =
            scene.lambda(&scene.admin, Method::GET, "/2015-03-31/functions/f/policy", &Value::Null).await;
        let shown = shown.json()["Policy"].as_str().unwrap().to_owned();
        assert!(shown.contains("AROA") && !shown.contains(NAMED), "{shown}");
        // Given anew it is the new role's.
        assert_eq!(scene.permit("t", NAMED).await.status, 201);
        assert!(scene.sees_the_function(&again).await);
    }
}

#[tokio::test]
async fn a_functions_permission_for_nobody_is_refused_and_becomes_nobodys() {
    let scene = Scene::new("/", "sts:GetCallerIdentity").await;
    scene.function().await;
    for nobody in [
        "arn:aws:iam::123456789012:user/later",
        "arn:aws:iam::123456789012:role/later",
        "arn:aws:iam::123456789012:role/team/worker",
        "arn:aws:sts::123456789012:assumed-role/later/session",
        "arn:aws:sts::123456789012:assumed-role/Worker/session",
        "arn:aws:sts::123456789012:assumed-role/worker/",
        "arn:aws:sts::123456789012:assumed-role/worker",
        "arn:aws-cn:sts::123456789012:assumed-role/worker/session",
        "arn:aws:sts::210987654321:assumed-role/worker/session",
        "arn:aws:sts:::assumed-role/worker/session",
    ] {
        let answer = scene.permit("s", nobody).await;
        assert_eq!(
            answer.code().as_deref(),
            Some("InvalidParameterValueException"),
            "{nobody}: {}",
            answer.text()
        );
    }
    let later = new_user(&scene.world, &scene.admin, "later").await;
    assert!(!scene.sees_the_function(&later).await);
    assert_eq!(scene.permit("s", "arn:aws:iam::123456789012:user/later").await.status, 201);
    assert!(scene.sees_the_function(&later).await);
    delete_user(&scene.world, &scene.admin, "later", &later, &[]).await;
    let again = new_user(&scene.world, &scene.admin, "later").await;
    assert!(!scene.sees_the_function(&again).await);
}

#[tokio::test]
async fn a_key_policy_and_a_grant_for_a_session_end_with_its_role() {
    for path in ["/", "/team/a/"] {
        let scene = Scene::new(path, "sts:GetCallerIdentity").await;
        let by_policy = scene.key(&[statement("Allow", "Principal", &[NAMED], "kms:Encrypt")]).await;
        let by_grant = scene.key(&[]).await;
        let grant = json!({"KeyId": by_grant, "GranteePrincipal": NAMED, "Operations": ["Encrypt"]});
        let granted = scene.kms(&scene.admin, "CreateGrant", grant).await;
        assert_eq!(granted.status, 200, "{}", granted.text());
        let (session, other) = (scene.session("session").await, scene.session("other").await);
        for key in [&by_policy, &by_grant] {
            assert!(scene.encrypts(&session, key).await, "{path}");
            assert!(!scene.encrypts(&other, key).await, "{path}: another session of the role");
        }
        scene.make_again("sts:GetCallerIdentity").await;
        let again = scene.session("session").await;
        for key in [&by_policy, &by_grant] {
            assert!(!scene.encrypts(&again, key).await, "{path}: the new role's session of that name");
        }
        let shown = scene.kms(&scene.admin, "GetKeyPolicy", json!({"KeyId": by_policy})).await;
        assert!(shown.text().contains("AROA") && !shown.text().contains(NAMED), "{}", shown.text());
        let shown = scene.kms(&scene.admin, "ListGrants", json!({"KeyId": by_grant})).await;
        assert!(shown.text().contains("AROA") && !shown.text().contains(NAMED), "{}", shown.text());
    }
}

#[tokio::test]
async fn what_a_key_policy_denies_a_session_it_denies_the_new_roles_too() {
    let scene = Scene::new("/team/", "kms:*").await;
    let key = scene.key(&[statement("Deny", "Principal", &[NAMED], "kms:Encrypt")]).await;
    let role = "arn:aws:iam::123456789012:role/team/worker";
    let all_but =
        scene.key(&[statement("Deny", "NotPrincipal", &[NAMED, role, ACCOUNT], "kms:Encrypt")]).await;
    let (session, other) = (scene.session("session").await, scene.session("other").await);
    assert!(!scene.encrypts(&session, &key).await);
    assert!(scene.encrypts(&other, &key).await);
    assert!(scene.encrypts(&session, &all_but).await, "the only one excepted");
    assert!(!scene.encrypts(&other, &all_but).await);
    scene.make_again("kms:*").await;
    let again = scene.session("session").await;
    assert!(!scene.encrypts(&again, &key).await, "the denial bites on");
    assert!(!scene.encrypts(&again, &all_but).await, "the exception was the old role's session's");
}

#[tokio::test]
async fn a_trust_policy_for_a_session_ends_with_its_role_and_its_denial_does_not() {
    let scene = Scene::new("/team/", "sts:AssumeRole").await;
    let trust = |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let to_session = json!({"Effect": "Allow", "Principal": {"AWS": NAMED}, "Action": "sts:AssumeRole"});
    let to_account = json!({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"});
    let not_session = json!({"Effect": "Deny", "Principal": {"AWS": NAMED}, "Action": "sts:AssumeRole"});
    for (name, document) in [("named", trust(&[to_session])), ("barred", trust(&[to_account, not_session]))] {
        let members = [("RoleName", name), ("AssumeRolePolicyDocument", document.as_str())];
        done(&scene.world, &scene.admin, "CreateRole", &members).await;
    }
    let may = async |who: &Credentials, name: &str| {
        let answer = scene.assume(who, &format!("arn:aws:iam::123456789012:role/{name}"), "session").await;
        assert!(
            answer.status == 200 || answer.code().as_deref() == Some("AccessDenied"),
            "{}",
            answer.text()
        );
        answer.status == 200
    };
    let (session, other) = (scene.session("session").await, scene.session("other").await);
    assert!(may(&session, "named").await && !may(&other, "named").await);
    assert!(!may(&session, "barred").await && may(&other, "barred").await);
    scene.make_again("sts:AssumeRole").await;
    let again = scene.session("session").await;
    assert!(!may(&again, "named").await, "the new role's session of that name");
    assert!(!may(&again, "barred").await, "the denial bites on");
}

#[tokio::test]
async fn a_change_of_a_key_policy_bites_the_next_request() {
    let scene = Scene::new("/", "sts:GetCallerIdentity").await;
    let session = scene.session("session").await;
    let allow = statement("Allow", "Principal", &[NAMED], "kms:Encrypt");
    let deny = statement("Deny", "Principal", &[NAMED], "kms:Encrypt");
    let key = scene.key(std::slice::from_ref(&allow)).await;
    let root = json!({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"});
    for _ in 0..2 {
        for (statements, allowed) in [
            (vec![root.clone()], false),
            (vec![root.clone(), allow.clone()], true),
            (vec![root.clone(), allow.clone(), deny.clone()], false),
        ] {
            let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            let put = scene.kms(&scene.admin, "PutKeyPolicy", json!({"KeyId": key, "Policy": policy})).await;
            assert_eq!(put.status, 200, "{}", put.text());
            for _ in 0..2 {
                assert_eq!(scene.encrypts(&session, &key).await, allowed, "{policy}");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_for_a_key_speaks_of_a_resource_based_policy() {
    let scene = Scene::new("/", "kms:*").await;
    let session = scene.session("session").await;
    let own = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:user/ann"},
        "Action": "kms:*", "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [own]}).to_string();
    let closed = json!({"Policy": policy, "BypassPolicyLockoutSafetyCheck": true});
    let closed = scene.kms(&scene.admin, "CreateKey", closed).await.json()["KeyMetadata"]["KeyId"].clone();
    let denied = scene.key(&[statement("Deny", "Principal", &[NAMED], "kms:Encrypt")]).await;
    for (key, tail, explicit) in [
        (closed.as_str().unwrap(), "because no resource-based policy allows the kms:Encrypt action", false),
        (denied.as_str(), "with an explicit deny in a resource-based policy", true),
    ] {
        let refused = scene.kms(&session, "Encrypt", json!({"KeyId": key, "Plaintext": "YQ=="})).await;
        assert_eq!(refused.code().as_deref(), Some("AccessDeniedException"));
        assert!(refused.message().ends_with(tail), "{}", refused.message());
        let message = crate::messages::message_of(&refused);
        let told = crate::messages::decoded(&scene.world, &scene.admin, &message).await;
        assert_eq!((&told["layer"], &told["explicitDeny"]), (&json!("resource-based"), &json!(explicit)));
    }
    done(
        &scene.world,
        &scene.admin,
        "CreateRole",
        &[("RoleName", "x"), ("AssumeRolePolicyDocument", TRUSTS_LAMBDA)],
    )
    .await;
    let refused = scene.assume(&scene.ann, "arn:aws:iam::123456789012:role/x", "s").await;
    let told =
        crate::messages::decoded(&scene.world, &scene.admin, &crate::messages::message_of(&refused)).await;
    assert_eq!(told["layer"], "role trust");
}
