//! A world with one pool and a client, and the shortest words for what tests do there.

use casemate_kernel::Outbox;
use casemate_names::Timestamp;
use casemate_schema::Document;
use casemate_store::Key;
use casemate_testkit::{Credentials, Response, World, WorldBuilder};
use serde_json::Value;

pub(crate) const PASSWORD: &str = "Correct-Horse-1!";
const SERVICE: &str = "cognito-idp";

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) admin: Credentials,
    pub(crate) pool: String,
    pub(crate) client: String,
    pub(crate) secret: Option<String>,
}

pub(crate) fn world() -> World {
    WorldBuilder::new().service(SERVICE, "cognito-idp.amazonaws.com", casemate_cognito_idp::open).start()
}

/// JSON as a document.
pub(crate) fn doc(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number.as_i64().unwrap().into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Document::List(items.iter().map(doc).collect()),
        Value::Object(entries) => {
            Document::Map(entries.iter().map(|(name, value)| (name.clone(), doc(value))).collect())
        }
    }
}

macro_rules! j {
    ($($json:tt)+) => { serde_json::json!($($json)+) };
}
pub(crate) use j;

/// A pool with e-mail verification, and a client with every flow.
pub(crate) async fn scene() -> Scene {
    scene_with(j!({ "AutoVerifiedAttributes": ["email"] }), j!({})).await
}

/// The same with further settings of pool and client.
pub(crate) async fn scene_with(pool: Value, client: Value) -> Scene {
    let world = world();
    let admin = world.identities().root();
    let mut scene = Scene { world, admin, pool: String::new(), client: String::new(), secret: None };
    let mut settings = j!({ "PoolName": "people" });
    merge(&mut settings, &pool);
    let made = scene.ok("CreateUserPool", settings).await;
    made["UserPool"]["Id"].as_str().unwrap().clone_into(&mut scene.pool);
    let (client, secret) = scene.new_client(client).await;
    scene.client = client;
    scene.secret = secret;
    scene
}

pub(crate) fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().unwrap() {
        into[name] = value.clone();
    }
}

impl Scene {
    pub(crate) async fn new_client(&self, settings: Value) -> (String, Option<String>) {
        let mut input = j!({
            "UserPoolId": self.pool, "ClientName": "web",
            "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH",
                "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        });
        merge(&mut input, &settings);
        let made = self.ok("CreateUserPoolClient", input).await;
        let made = &made["UserPoolClient"];
        (made["ClientId"].as_str().unwrap().to_owned(), made["ClientSecret"].as_str().map(str::to_owned))
    }

    /// A call by the administrator.
    pub(crate) async fn call(&self, operation: &str, input: Value) -> Response {
        self.world.call(&self.admin, SERVICE, operation, doc(&input)).await
    }

    /// A call without a signature.
    pub(crate) async fn public(&self, operation: &str, input: Value) -> Response {
        self.world.call_unsigned(SERVICE, operation, doc(&input)).await
    }

    /// A call by the administrator that must succeed.
    pub(crate) async fn ok(&self, operation: &str, input: Value) -> Value {
        ok(&self.call(operation, input).await)
    }

    /// A call without a signature that must succeed.
    pub(crate) async fn public_ok(&self, operation: &str, input: Value) -> Value {
        ok(&self.public(operation, input).await)
    }

    /// A confirmed user with [`PASSWORD`].
    pub(crate) async fn user(&self, name: &str) {
        self.ok(
            "AdminCreateUser",
            j!({ "UserPoolId": self.pool, "Username": name, "MessageAction": "SUPPRESS",
            "UserAttributes": [{ "Name": "email", "Value": format!("{name}@example.com") },
                               { "Name": "email_verified", "Value": "true" }] }),
        )
        .await;
        self.ok(
            "AdminSetUserPassword",
            j!({ "UserPoolId": self.pool, "Username": name, "Password": PASSWORD, "Permanent": true }),
        )
        .await;
    }

    /// A password sign-in.
    pub(crate) async fn password(&self, name: &str, password: &str) -> Response {
        self.public(
            "InitiateAuth",
            j!({ "ClientId": self.client, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": name, "PASSWORD": password } }),
        )
        .await
    }

    /// The tokens of a password sign-in.
    pub(crate) async fn sign_in(&self, name: &str) -> Tokens {
        Tokens::of(&ok(&self.password(name, PASSWORD).await))
    }

    /// Exchanges a refresh token by the flow.
    pub(crate) async fn refresh(&self, token: &str) -> Response {
        self.public(
            "InitiateAuth",
            j!({ "ClientId": self.client, "AuthFlow": "REFRESH_TOKEN_AUTH",
            "AuthParameters": { "REFRESH_TOKEN": token } }),
        )
        .await
    }

    /// The newest message in the outbox: its text and its destination.
    pub(crate) fn newest_message(&self) -> (String, String) {
        let prefix = Key::of(self.world.scope());
        let found = self
            .world
            .store
            .read(|tx| tx.scan_reverse::<casemate_kernel::Message>(&prefix, None, 1))
            .unwrap();
        let (_, message) = found.into_iter().next().expect("a message");
        let _: Option<Outbox> = None;
        (message.text.expose().clone(), message.destination)
    }

    /// How many messages there are.
    pub(crate) fn messages(&self) -> usize {
        let prefix = Key::of(self.world.scope());
        self.world.store.read(|tx| tx.scan::<casemate_kernel::Message>(&prefix, None, 1000)).unwrap().len()
    }

    /// The six digits in the newest message.
    pub(crate) fn newest_code(&self) -> String {
        let (text, _) = self.newest_message();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits.len(), 6, "{text}");
        digits
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.now()
    }
}

pub(crate) fn ok(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    if response.body.is_empty() { Value::Null } else { response.json() }
}

/// Refused with this code and this text.
#[track_caller]
pub(crate) fn refused(response: &Response, code: &str, text: &str) {
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!((response.code().as_deref(), response.message().as_str()), (Some(code), text));
}

pub(crate) struct Tokens {
    pub(crate) id: String,
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
}

impl Tokens {
    pub(crate) fn of(answer: &Value) -> Self {
        let result = &answer["AuthenticationResult"];
        let text = |name: &str| result[name].as_str().map(str::to_owned);
        assert_eq!(result["TokenType"], "Bearer", "{answer}");
        Self {
            id: text("IdToken").unwrap(),
            access: text("AccessToken").unwrap(),
            refresh: text("RefreshToken"),
        }
    }
}

/// The claims of a token.
pub(crate) fn claims(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
