//! A world whose identities are IAM's own, its administrator, and short ways to ask.

use std::sync::Arc;

use casemate_kernel::Env;
use casemate_names::Secret;
use casemate_schema::Document;
use casemate_sts::{IssuerKeys, NoIssuers};
use casemate_testkit::{Credentials, Response, World, WorldBuilder};

use crate::meanwhile::Meanwhile;

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) env: Env,
    /// The account's root.
    pub(crate) root: Credentials,
    directory: Arc<Meanwhile>,
}

pub(crate) fn input(members: &[(&str, &str)]) -> Document {
    Document::Map(members.iter().map(|(name, value)| ((*name).to_owned(), Document::from(*value))).collect())
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with_issuers(Arc::new(NoIssuers)).await
    }

    /// A world in which `issuers` finds the keys of token issuers.
    pub(crate) async fn with_issuers(issuers: Arc<dyn IssuerKeys>) -> Self {
        let (mut env, mut directory) = (None, None);
        let world = WorldBuilder::bare()
            .service("iam", "iam.amazonaws.com", |iam| {
                env = Some(iam.clone());
                let mut opened = casemate_iam::open(iam)?;
                let own = Meanwhile::of(opened.directory.take().unwrap());
                directory = Some(Arc::clone(&own));
                opened.directory = Some(own);
                Ok(opened)
            })
            .service("sts", "sts.amazonaws.com", |sts| casemate_sts::open_with_issuers(sts, issuers))
            .start();
        let env = env.unwrap();
        let (access_key_id, secret) = casemate_iam::ensure_administrator(&env).await.unwrap().unwrap();
        let root = Credentials { access_key_id, secret, session_token: None, caller: None };
        Self { world, env, root, directory: directory.unwrap() }
    }

    /// Root deletes a role without policies and makes it again with that trust policy, after the next request to assume a
    /// role has been admitted and before it runs.
    pub(crate) fn make_again_meanwhile(&self, role: &str, trust: &str) {
        let request = |operation, members: &[(&str, &str)]| {
            self.world.request(&self.root, "iam", operation, &input(members))
        };
        let requests = vec![
            request("DeleteRole", &[("RoleName", role)]),
            request("CreateRole", &[("RoleName", role), ("AssumeRolePolicyDocument", trust)]),
        ];
        self.directory.wait(Arc::clone(&self.world.kernel), requests);
    }

    /// Root deletes it only.
    pub(crate) fn delete_meanwhile(&self, role: &str) {
        let request = self.world.request(&self.root, "iam", "DeleteRole", &input(&[("RoleName", role)]));
        self.directory.wait(Arc::clone(&self.world.kernel), vec![request]);
    }

    /// Did what was to happen meanwhile happen?
    pub(crate) fn has_happened(&self) -> bool {
        self.directory.is_over()
    }

    /// Calls an operation of IAM; it must succeed.
    pub(crate) async fn iam(&self, who: &Credentials, operation: &str, members: &[(&str, &str)]) -> Response {
        let answer = self.tried(who, operation, members).await;
        assert_eq!(answer.status, 200, "{operation} {members:?}: {}", answer.text());
        answer
    }

    /// Calls an operation of IAM, whatever comes of it.
    pub(crate) async fn tried(
        &self,
        who: &Credentials,
        operation: &str,
        members: &[(&str, &str)],
    ) -> Response {
        self.world.call(who, "iam", operation, input(members)).await
    }

    /// A refusal as `Code: message`.
    pub(crate) async fn refused(
        &self,
        who: &Credentials,
        operation: &str,
        members: &[(&str, &str)],
    ) -> String {
        refusal(&self.tried(who, operation, members).await)
    }

    /// A user with a key and, if any, one inline policy.
    pub(crate) async fn user(&self, name: &str, policy: Option<&str>) -> Credentials {
        self.iam(&self.root, "CreateUser", &[("UserName", name)]).await;
        if let Some(policy) = policy {
            self.put_user_policy(name, "inline", policy).await;
        }
        self.key(name).await
    }

    pub(crate) async fn key(&self, user: &str) -> Credentials {
        let made = self.iam(&self.root, "CreateAccessKey", &[("UserName", user)]).await;
        Credentials {
            access_key_id: made.element("AccessKeyId").unwrap(),
            secret: Secret::new(made.element("SecretAccessKey").unwrap()),
            session_token: None,
            caller: None,
        }
    }

    pub(crate) async fn put_user_policy(&self, user: &str, name: &str, policy: &str) {
        let members = [("UserName", user), ("PolicyName", name), ("PolicyDocument", policy)];
        self.iam(&self.root, "PutUserPolicy", &members).await;
    }

    /// A role with a trust policy that names `principal` (JSON) and, if any, one inline policy. Answers its unique id.
    pub(crate) async fn role(&self, name: &str, principal: &str, policy: Option<&str>) -> String {
        let trust = trust(principal, "");
        let members = [("RoleName", name), ("AssumeRolePolicyDocument", trust.as_str())];
        let made = self.iam(&self.root, "CreateRole", &members).await;
        if let Some(policy) = policy {
            let members = [("RoleName", name), ("PolicyName", "inline"), ("PolicyDocument", policy)];
            self.iam(&self.root, "PutRolePolicy", &members).await;
        }
        made.element("RoleId").unwrap()
    }

    /// Assumes a role; more members may be given.
    pub(crate) async fn assume(&self, who: &Credentials, role: &str, more: Document) -> Response {
        let mut asked = input(&[("RoleArn", &role_arn(role)), ("RoleSessionName", "session")]);
        for (name, value) in more.into_entries() {
            asked.push(&name, value);
        }
        self.world.call(who, "sts", "AssumeRole", asked).await
    }

    /// Calls an operation of STS, whatever comes of it.
    pub(crate) async fn sts(&self, who: &Credentials, operation: &str, members: &[(&str, &str)]) -> Response {
        self.world.call(who, "sts", operation, input(members)).await
    }

    /// Calls an operation of STS that takes no signature.
    pub(crate) async fn unsigned(&self, operation: &str, members: &[(&str, &str)]) -> Response {
        self.world.call_unsigned("sts", operation, input(members)).await
    }

    pub(crate) async fn whoami(&self, who: &Credentials) -> Response {
        self.world.call(who, "sts", "GetCallerIdentity", Document::empty()).await
    }
}

pub(crate) fn trust(principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]{condition}}}}}"#
    )
}

pub(crate) fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

pub(crate) fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

pub(crate) fn refusal(answer: &Response) -> String {
    assert_ne!(answer.status, 200, "{}", answer.text());
    format!("{}: {}", answer.code().unwrap_or_default(), answer.message())
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
}

pub(crate) fn credentials(answer: &Response) -> Credentials {
    assert_eq!(answer.status, 200, "{}", answer.text());
    Credentials {
        access_key_id: answer.element("AccessKeyId").unwrap(),
        secret: Secret::new(answer.element("SecretAccessKey").unwrap()),
        session_token: answer.element("SessionToken"),
        caller: None,
    }
}
