//! Requests and answers as bytes on a wire, and the client's signature.

use bytes::Bytes;
use casemate_kernel::{Incoming, Outgoing};
use casemate_names::{Timestamp, sha256};
use casemate_schema::{Document, OpMeta};
use casemate_sigv4::{
    Head, PathStyle,
    sign::{Signer, presign, sign_headers},
};
use casemate_wire::encode_request;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::Credentials;

/// The host every request of the kit names.
const HOST: &str = "localhost:4566";

/// A request that can be changed in every part before it is sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path and query, as sent.
    pub target: String,
    /// Headers in the order sent.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Request {
    /// A request with a `Host` header and nothing else.
    pub fn new(method: Method, target: &str) -> Self {
        let host = (http::header::HOST, HeaderValue::from_static(HOST));
        Self { method, target: target.to_owned(), headers: vec![host], body: Bytes::new() }
    }

    /// The unsigned request of an operation, as an SDK would spell it.
    pub fn of(op: &OpMeta, input: &Document) -> Self {
        let spelt = encode_request(op, input).unwrap_or_else(|error| panic!("{}: {error}", op.name));
        let mut request = Self::new(spelt.method, &spelt.target);
        request.headers.extend(spelt.headers);
        request.body = spelt.body;
        request
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.push((name, HeaderValue::from_str(value).expect("a header value")));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Signs every header and the body.
    #[must_use]
    pub fn signed(mut self, credentials: &Credentials, service: &str, region: &str, at: Timestamp) -> Self {
        let added = self.with_head(|head| {
            let signer = signer(credentials, service, region, at);
            sign_headers(&signer, head, &sha256(&self.body)).expect("a signable request")
        });
        for (name, value) in added {
            self = self.header(name, &value);
        }
        self
    }

    /// The presigned form.
    #[must_use]
    pub fn presigned(
        mut self,
        credentials: &Credentials,
        service: &str,
        region: &str,
        at: Timestamp,
        expires_s: i64,
    ) -> Self {
        self.target = self.with_head(|head| {
            let signer = signer(credentials, service, region, at);
            presign(&signer, head, expires_s, &sha256(&self.body)).expect("a signable request")
        });
        self
    }

    fn with_head<R>(&self, use_it: impl FnOnce(&Head<'_>) -> R) -> R {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        use_it(&Head { method: self.method.as_str(), target: &self.target, headers: &headers })
    }

    /// As the kernel takes it.
    pub fn incoming(&self) -> Incoming {
        let uri = self.target.parse().unwrap_or_else(|error| panic!("target {}: {error}", self.target));
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        Incoming {
            head: casemate_wire::Head::new(self.method.clone(), uri, headers),
            body: self.body.clone(),
        }
    }

    /// The bytes of the request, for transcripts.
    pub(crate) fn shown(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| (name, value));
        message(&format!("{} {} HTTP/1.1", self.method, self.target), headers, &self.body)
    }
}

impl Response {
    /// Takes an answer to its end; panics where a streamed body breaks off.
    pub(crate) async fn of(outgoing: Outgoing) -> Self {
        let mut body = outgoing.body.to_vec();
        if let Some(mut stream) = outgoing.stream {
            while let Some(piece) = stream.piece().await {
                body.extend_from_slice(&piece.expect("the whole answer"));
            }
        }
        Self { status: outgoing.status, headers: outgoing.headers, body: body.into() }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The error code, in whichever place the protocol puts it.
    pub fn code(&self) -> Option<String> {
        let text = self.text();
        let in_xml = || Some(text.split_once("<Code>")?.1.split_once("</Code>")?.0.to_owned());
        let in_header = || Some(self.headers.get("x-amzn-errortype")?.to_str().ok()?.to_owned());
        let json = self.json();
        let in_json = || Some(json.get("__type")?.as_str()?.to_owned());
        let code = in_header().or_else(in_json).or_else(in_xml)?;
        let code =
            code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
        Some(code)
    }

    /// The error's message.
    pub fn message(&self) -> String {
        let text = self.text();
        let in_xml = || Some(text.split_once("<Message>")?.1.split_once("</Message>")?.0.to_owned());
        let json = self.json();
        let in_json = || json.get("message").or_else(|| json.get("Message"))?.as_str().map(str::to_owned);
        in_json().or_else(in_xml).unwrap_or_default()
    }

    /// The text of the first XML element called `name`.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    }

    /// The bytes of the answer, for transcripts.
    pub(crate) fn shown(&self) -> String {
        message(&format!("HTTP/1.1 {}", self.status), self.headers.iter(), &self.body)
    }
}

fn message<'h>(
    first: &str,
    headers: impl Iterator<Item = (&'h HeaderName, &'h HeaderValue)>,
    body: &[u8],
) -> String {
    let first = std::iter::once(first.to_owned());
    // What is sealed changes with everything in it, and says nothing to a reader.
    let sealed = |name: &HeaderName| name.as_str() == "x-casemate-encoded-authorization-message";
    let headers = headers.map(|(name, value)| {
        let value = if sealed(name) { "(sealed)".to_owned() } else { shown(value.as_bytes()) };
        format!("{name}: {value}")
    });
    let lines: Vec<String> =
        first.chain(headers).chain([String::new(), shown(body), String::new()]).collect();
    lines.join("\n")
}

/// Text as it is; anything else byte for byte.
fn shown(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

fn signer<'a>(credentials: &'a Credentials, service: &'a str, region: &'a str, at: Timestamp) -> Signer<'a> {
    Signer {
        access_key_id: &credentials.access_key_id,
        secret: &credentials.secret,
        session_token: credentials.session_token.as_deref(),
        region,
        service,
        path_style: PathStyle::Normalise,
        at,
    }
}
