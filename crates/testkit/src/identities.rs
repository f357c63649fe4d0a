//! Users and roles without a service behind them: a directory that tests fill directly, so that every operation can be
//! tried by any caller of any account before (and without) an identity service that could make them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use casemate_kernel::{
    Access, Assembly, BoxFuture, Caller, Directory, Fault, IdentityPolicies, LongTermCredential, MfaAnswer,
    OperationModel, Proof, ResourcePolicy, RoleFacts, Service, bind,
    policy::{Kind as PolicyKind, NamedPolicy, Policy, ResourceRule},
};
use casemate_names::{AccountId, Arn, Entropy, Scope, Secret, Timestamp, alphanumeric, lower_alphanumeric};
use casemate_schema::{
    Auth, Constraints, Document, HttpBinding, Kind, OpMeta, Protocol, Schema, ServiceMeta, Shape,
};

/// The service name under which the fixture appears in the kernel. Its operations are no part of the product.
pub(crate) const FIXTURE: &str = "testkit";
/// The principal that may assume every role of the fixture.
pub(crate) const PRINCIPAL: &str = "testkit.amazonaws.com";

/// What a client signs with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `AKIA…` or `ASIA…`
    pub access_key_id: String,
    /// The secret.
    pub secret: Secret<String>,
    /// Present with temporary credentials.
    pub session_token: Option<String>,
    /// Whom they stand for, as the fixture knows it (root and sessions of other services: unknown).
    pub caller: Option<Caller>,
}

impl Credentials {
    /// Long-term credentials made by a service under test.
    pub fn new(access_key_id: impl Into<String>, secret: impl Into<String>) -> Self {
        let secret = Secret::new(secret.into());
        Self { access_key_id: access_key_id.into(), secret, session_token: None, caller: None }
    }

    /// Temporary ones.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self { session_token: Some(token.into()), ..self }
    }
}

/// The directory.
#[derive(Debug)]
pub struct Identities {
    scope: Scope,
    entropy: Arc<dyn Entropy>,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<String, LongTermCredential>,
    policies: BTreeMap<String, Arc<IdentityPolicies>>,
    roles: BTreeMap<String, Arc<RoleFacts>>,
    /// Unique ids by ARN.
    users: BTreeMap<String, String>,
    trust: BTreeMap<String, NamedPolicy>,
    /// Codes by user and device.
    devices: BTreeMap<(String, String), String>,
}

impl Identities {
    pub(crate) fn new(scope: Scope, entropy: Arc<dyn Entropy>) -> Self {
        Self { scope, entropy, state: RwLock::default() }
    }

    /// A key of the home account's root.
    pub fn root(&self) -> Credentials {
        self.key_for(Caller::Root { account: self.scope.account.clone() })
    }

    /// A user of the home account with inline policies and a key.
    pub fn user(&self, name: &str, policies: &[&str]) -> Credentials {
        self.user_of(&self.scope.account.clone(), name, policies, None)
    }

    /// A user of any account, with an optional permissions boundary.
    pub fn user_of(
        &self,
        account: &AccountId,
        name: &str,
        policies: &[&str],
        boundary: Option<&str>,
    ) -> Credentials {
        let scope = Scope { account: account.clone(), ..self.scope.clone() };
        let unique_id = self.unique_id("AIDA");
        self.grant(&unique_id, policies, boundary);
        let arn = Arn::global(&scope, "iam", &format!("user/{name}"));
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.users.insert(arn.as_str().to_owned(), unique_id.clone());
        drop(state);
        self.key_for(Caller::User { arn, unique_id, name: name.to_owned(), account: account.clone() })
    }

    /// A role that the fixture's own principal may assume; `trust` adds statements' worth of a whole trust policy.
    pub fn role(&self, name: &str, policies: &[&str], trust: Option<&str>) -> Arc<RoleFacts> {
        self.role_of(&self.scope.account.clone(), name, policies, trust)
    }

    /// The same of any account; `path_and_name` may start with a path.
    pub fn role_of(
        &self,
        account: &AccountId,
        path_and_name: &str,
        policies: &[&str],
        trust: Option<&str>,
    ) -> Arc<RoleFacts> {
        let scope = Scope { account: account.clone(), ..self.scope.clone() };
        let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"testkit.amazonaws.com"}}}"#;
        let trust = named("trust", trust.unwrap_or(own), PolicyKind::Trust);
        let facts = Arc::new(RoleFacts {
            arn: Arn::global(&scope, "iam", &format!("role/{path_and_name}")),
            unique_id: self.unique_id("AROA"),
            name: path_and_name.rsplit('/').next().unwrap_or(path_and_name).to_owned(),
            account: scope.account,
            trust: Arc::clone(&trust.policy),
            session_s_max: 43_200,
        });
        self.grant(&facts.unique_id, policies, None);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.roles.insert(facts.arn.as_str().to_owned(), Arc::clone(&facts));
        state.trust.insert(facts.arn.as_str().to_owned(), trust);
        facts
    }

    /// Replaces the policies of a user or role.
    pub fn grant(&self, unique_id: &str, policies: &[&str], boundary: Option<&str>) {
        let identity = policies
            .iter()
            .enumerate()
            .map(|(i, text)| named(&format!("inline-{i}"), text, PolicyKind::Identity))
            .collect();
        let boundary = boundary.map(|text| named("boundary", text, PolicyKind::Boundary));
        let policies = Arc::new(IdentityPolicies { identity, boundary, tags: Vec::new() });
        self.state
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .policies
            .insert(unique_id.to_owned(), policies);
    }

    /// Gives a user or role, by unique id, this tag and no other.
    pub fn tag(&self, unique_id: &str, key: &str, value: &str) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(policies) = state.policies.get_mut(unique_id) {
            let (identity, boundary) = (policies.identity.clone(), policies.boundary.clone());
            let tags = vec![(key.to_owned(), value.to_owned())];
            *policies = Arc::new(IdentityPolicies { identity, boundary, tags });
        }
    }

    /// Gives a user, by unique id, an MFA device that shows this code for ever.
    pub fn device(&self, unique_id: &str, serial: &str, code: &str) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.devices.insert((unique_id.to_owned(), serial.to_owned()), code.to_owned());
    }

    /// Makes a key inactive.
    pub fn deactivate(&self, access_key_id: &str) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = state.keys.get_mut(access_key_id) {
            key.active = false;
        }
    }

    /// Deletes a user or role by unique id: its policies, hence itself. Keys stay behind, as a careless service would
    /// leave them.
    pub fn delete(&self, unique_id: &str) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).policies.remove(unique_id);
    }

    fn key_for(&self, owner: Caller) -> Credentials {
        let access_key_id = self.unique_id("AKIA");
        let secret = Secret::new(alphanumeric(&*self.entropy, "testkit.secret", 40));
        let key = LongTermCredential { secret: secret.clone(), active: true, owner: owner.clone() };
        self.state.write().unwrap_or_else(PoisonError::into_inner).keys.insert(access_key_id.clone(), key);
        Credentials { access_key_id, secret, session_token: None, caller: Some(owner) }
    }

    fn unique_id(&self, prefix: &str) -> String {
        format!("{prefix}{}", lower_alphanumeric(&*self.entropy, "testkit.id", 16).to_ascii_uppercase())
    }

    /// The fixture as the kernel takes it.
    pub(crate) fn assembly(self: &Arc<Self>) -> Assembly {
        let service = Arc::new(Fixture(Arc::clone(self)));
        Assembly {
            operations: vec![bind::<Noop, Fixture>(&service)],
            directory: Some(Arc::clone(self) as Arc<dyn Directory>),
            ..Assembly::default()
        }
    }
}

impl Directory for Identities {
    fn credential(&self, access_key_id: &str) -> Result<Option<LongTermCredential>, Fault> {
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner).keys.get(access_key_id).cloned())
    }

    fn role(&self, arn: &Arn) -> Result<Option<Arc<RoleFacts>>, Fault> {
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner).roles.get(arn.as_str()).cloned())
    }

    fn policies(&self, caller: &Caller) -> Result<Option<Arc<IdentityPolicies>>, Fault> {
        let unique_id = match caller {
            Caller::User { unique_id, .. } => unique_id,
            Caller::Role(session) => &session.role_unique_id,
            // The kernel asks for owners, not for their temporary credentials.
            _ => return Ok(Some(Arc::default())),
        };
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner).policies.get(unique_id).cloned())
    }

    fn unique_id(&self, arn: &Arn) -> Result<Option<String>, Fault> {
        if let Some(role) = Directory::role(self, arn)? {
            return Ok(Some(role.unique_id.clone()));
        }
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner).users.get(arn.as_str()).cloned())
    }

    fn role_named(&self, account: &AccountId, name: &str) -> Result<Option<Arn>, Fault> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        // As IAM finds names: whatever their case.
        let named = |role: &&Arc<RoleFacts>| role.account == *account && role.name.eq_ignore_ascii_case(name);
        let found = state.roles.values().find(named);
        Ok(found.map(|role| role.arn.clone()))
    }

    fn verify_mfa<'a>(
        &'a self,
        caller: &'a Caller,
        serial: &'a str,
        code: &'a str,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<MfaAnswer, Fault>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let device = match caller {
            Caller::User { unique_id, .. } => state.devices.get(&(unique_id.clone(), serial.to_owned())),
            _ => None,
        };
        let answer = match device {
            Some(shown) if shown == code => MfaAnswer::Right,
            Some(_) => MfaAnswer::Wrong,
            None => MfaAnswer::NoSuchDevice,
        };
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn used(&self, _access_key_id: &str, _service: &str, _now: Timestamp) {}
}

fn named(name: &str, text: &str, kind: PolicyKind) -> NamedPolicy {
    let policy =
        Policy::parse(text, kind).unwrap_or_else(|error| panic!("the test's policy {text}: {error}"));
    NamedPolicy { name: name.into(), policy: Arc::new(policy) }
}

const TRUSTS_NOBODY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"Service":"nobody.amazonaws.com"}}}"#;

/// Owns the roles' ARNs, so that the gate finds their trust policies.
#[derive(Debug)]
struct Fixture(Arc<Identities>);

impl Service for Fixture {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["iam"];
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Fault> {
        Err(Fault::broken("the fixture knows no proofs"))
    }

    fn resource_policy(&self, arn: &Arn, action: &str) -> Result<Option<ResourcePolicy>, Fault> {
        if !action.starts_with("sts:") {
            return Ok(None);
        }
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        if !arn.resource().starts_with("role/") {
            return Ok(None);
        }
        // A role that does not exist trusts nobody.
        let nobody = || named("no such role", TRUSTS_NOBODY, PolicyKind::Trust);
        let policy = state.trust.get(arn.as_str()).cloned().unwrap_or_else(nobody);
        let unique_id = state.roles.get(arn.as_str()).map(|role| role.unique_id.clone());
        Ok(Some(ResourcePolicy { policy, rule: ResourceRule::Trust, unique_id }))
    }

    fn tags(&self, _arn: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Ok(Vec::new())
    }
}

/// The one operation a service must have to own anything. It does nothing, for those who may.
struct Noop;

#[derive(Debug)]
struct Nothing;

static NOTHING: Schema = Schema {
    name: "Nothing",
    kind: Kind::Structure { members: &[], payload: None, union: false },
    constraints: Constraints::NONE,
    sensitive: false,
};

static SERVICE: ServiceMeta = ServiceMeta {
    prefix: FIXTURE,
    signing_name: FIXTURE,
    protocol: Protocol::AwsJson1_1,
    target_prefix: "CasemateTestkit",
    api_version: "2026-11-24",
    xml_namespace: "",
};

impl Shape for Nothing {
    const SCHEMA: &'static Schema = &NOTHING;

    fn from_document(_document: Document) -> Self {
        Self
    }

    fn into_document(self) -> Document {
        Document::empty()
    }
}

impl OperationModel for Noop {
    const META: &'static OpMeta = &OpMeta {
        service: &SERVICE,
        name: "Noop",
        http: HttpBinding { method: "POST", uri: "/", status: 200 },
        input: &NOTHING,
        output: &NOTHING,
        result_wrapper: "",
        errors: &[],
        auth: Auth::SigV4,
    };
    type Input = Nothing;
    type Output = Nothing;
}

impl casemate_kernel::Operation<Noop> for Fixture {
    fn access(&self, _input: &Nothing, _caller: &Caller) -> Result<Access, Fault> {
        Ok(Access::on_any("testkit:Noop"))
    }

    async fn run(&self, _call: casemate_kernel::Call<Noop>) -> Result<Nothing, Fault> {
        Ok(Nothing)
    }
}
