//! Function URLs served: one request to a function's own address, from its host name to its answer.
//!
//! ```text
//! host ─▶ URL ─▶ preflight? ─▶ identify ─▶ ask twice ─▶ event ─▶ invoke ─▶ answer, whole or streamed
//! ```
//! Everyone is asked about: a URL that needs no signature still needs a policy that admits everyone.
//! Refuses to know how URLs are made and kept ([`crate::function_url`] does).
//!
//! DIVERGES: URLs made before October 2025 needed `lambda:InvokeFunctionUrl` alone on AWS; here all need both permissions.

mod answer;
mod cors;
mod event;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use casemate_kernel::{Ask, BodySender, BodyStream, BoxFuture, Caller, DataPlane, Exchange, Fault, Outgoing};
use casemate_names::AccountId;
use casemate_wire::Head;
use hyper::{HeaderMap, StatusCode, header::HeaderValue};

use self::answer::{Answer, Prelude};
use crate::{
    Lambda,
    api::Error,
    function::Function,
    function_url::{self, Auth, FunctionUrl, ID_LENGTH, Mode},
    invocation::{Outcome, PAYLOAD_BYTES_MAX},
    invoker::Request,
    principal,
    resource::FunctionRef,
    streaming::{Next, Piece, Streaming},
};

/// What requests to URLs are signed for.
const SIGNING_NAME: &str = "lambda";

/// Serves function URLs.
pub(crate) struct Plane {
    lambda: Arc<Lambda>,
}

/// Why a request is answered by the platform and not by the function.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error_type: &'static str,
    message: &'static str,
    /// For the audit record.
    why: String,
}

impl Refusal {
    // AWS: the same answer whether the URL does not exist, the signature is wrong or a policy denies.
    fn forbidden(why: impl Into<String>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            error_type: "AccessDeniedException",
            message: "Forbidden",
            why: why.into(),
        }
    }

    fn bad_gateway(why: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_GATEWAY,
            error_type: "InternalServerException",
            message: "Internal Server Error",
            why: why.into(),
        }
    }

    fn answer(self) -> Outgoing {
        let body = serde_json::json!({ "Message": self.message }).to_string();
        let mut outgoing = Outgoing::new(self.status, "application/json", body);
        outgoing.headers.insert("x-amzn-errortype", HeaderValue::from_static(self.error_type));
        outgoing
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::TooManyRequestsException(_) => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                error_type: "TooManyRequestsException",
                message: "Rate Exceeded.",
                why: "throttled".to_owned(),
            },
            other => Self::bad_gateway(format!("the function cannot be run: {other:?}")),
        }
    }
}

impl DataPlane for Plane {
    fn matches(&self, head: &Head) -> bool {
        head.host().and_then(url_of_host).is_some()
    }

    fn owner(&self, head: &Head) -> Result<Option<AccountId>, Fault> {
        let Some(id) = head.host().and_then(url_of_host) else { return Ok(None) };
        let found = self.lambda.env.store.read(|tx| function_url::find(tx, id))?;
        Ok(found.and_then(|url| url.function.account_id()))
    }

    // AWS: 6 MB, like every synchronous request.
    fn body_bytes_max(&self) -> usize {
        PAYLOAD_BYTES_MAX
    }

    // What does not exist reads like what needs a signature.
    fn body_terms(&self, head: &Head) -> (usize, Option<&'static str>) {
        let id = head.host().and_then(url_of_host).unwrap_or_default();
        let found = self.lambda.env.store.read(|tx| function_url::find(tx, id));
        let open = matches!(found, Ok(Some(url)) if url.auth == Auth::Nobody);
        (self.body_bytes_max(), (!open).then_some(SIGNING_NAME))
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            exchange.record().routed("lambda", "function-url");
            let (url, outgoing) = match self.find(exchange) {
                Ok(url) => {
                    let outgoing = self.answer(exchange, &url).await;
                    (Some(url), outgoing)
                }
                Err(refusal) => (None, Err(refusal)),
            };
            let mut outgoing = outgoing.unwrap_or_else(|refusal| {
                exchange.record().detail(refusal.why.clone());
                refusal.answer()
            });
            if let Some(rules) = url.as_ref().and_then(|url| url.cors.as_ref()) {
                cors::decorate(rules, exchange.head(), &mut outgoing.headers);
            }
            if let Ok(id) = HeaderValue::from_str(exchange.request_id.as_str()) {
                outgoing.headers.insert("x-amzn-requestid", id);
            }
            outgoing
        })
    }
}

impl Plane {
    pub(crate) fn new(lambda: Arc<Lambda>) -> Self {
        Self { lambda }
    }

    fn find(&self, exchange: &Exchange) -> Result<FunctionUrl, Refusal> {
        let id = exchange.head().host().and_then(url_of_host).unwrap_or_default();
        let found = self.lambda.env.store.read(|tx| function_url::find(tx, id));
        let found =
            found.map_err(|error| Refusal::bad_gateway(format!("the store cannot be read: {error}")))?;
        found.ok_or_else(|| Refusal::forbidden("there is no such function URL"))
    }

    async fn answer(&self, exchange: &mut Exchange, url: &FunctionUrl) -> Result<Outgoing, Refusal> {
        if let Some(rules) = &url.cors
            && cors::is_preflight(exchange.head())
        {
            // AWS: answered for the function, which is not run; nobody is asked who it is.
            exchange.record().identified(&Caller::Anonymous, None);
            exchange.record().detail("preflight");
            return Ok(cors::preflight(rules, exchange.head()));
        }
        let caller = Self::admit(exchange, url)?;
        let at = FunctionRef::of_arn(&url.function)
            .ok_or_else(|| Refusal::bad_gateway("the URL's function has no name"))?;
        let function = Arc::new(self.lambda.invoked(&at).await?);
        let trace =
            self.lambda.trace(exchange.facts().trace.as_deref(), &function, exchange.now).or_refused()?;
        let payload = Bytes::from(event::of(exchange, url, &caller).to_string());
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Refusal {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                error_type: "RequestTooLargeException",
                message: "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
                why: "the event is larger than an event may be".to_owned(),
            });
        }
        let request = Request {
            id: exchange.request_id.as_str().to_owned(),
            invoked: url.function.clone(),
            principal: principal::of(&caller, exchange.peer(), &payload),
            payload,
            client_context: None,
            trace,
            sink: None,
        };
        match url.mode {
            Mode::Buffered => self.whole(function, request).await,
            Mode::Stream => self.streamed(function, request).await,
        }
    }

    /// Who calls, once both permissions are there.
    fn admit(exchange: &mut Exchange, url: &FunctionUrl) -> Result<Caller, Refusal> {
        let caller = match url.auth {
            Auth::Iam => {
                exchange.identify(SIGNING_NAME).map_err(|fault| Refusal::forbidden(fault.message()))?
            }
            // AWS: what looks like a signature is not looked at then.
            Auth::Nobody => {
                exchange.record().identified(&Caller::Anonymous, None);
                Caller::Anonymous
            }
        };
        if url.auth == Auth::Iam && matches!(caller, Caller::Anonymous) {
            return Err(Refusal::forbidden("the URL takes signed requests only"));
        }
        let auth = url.auth.shown().as_str().to_owned();
        // AWS: since October 2025 both are needed (Lambda developer guide, "Control access to Lambda function URLs").
        let asks = [
            Ask::on("lambda:InvokeFunction", url.function.clone())
                .with("lambda:InvokedViaFunctionUrl", "true"),
            Ask::on("lambda:InvokeFunctionUrl", url.function.clone())
                .with("lambda:FunctionUrlAuthType", auth),
        ];
        for ask in asks {
            let decision = exchange.decide_owned(&caller, &ask);
            let decision = decision.map_err(|fault| Refusal::forbidden(fault.message()))?;
            if !decision.is_allowed() {
                return Err(Refusal::forbidden(format!("{} is not allowed", ask.action)));
            }
        }
        Ok(caller)
    }

    async fn whole(&self, function: Arc<Function>, request: Request) -> Result<Outgoing, Refusal> {
        match self.lambda.invoker.invoke(function, request).await?.outcome {
            Outcome::Answer(body) => whole_answer(&body),
            Outcome::Failure(_) => Err(failed()),
        }
    }

    async fn streamed(&self, function: Arc<Function>, request: Request) -> Result<Outgoing, Refusal> {
        let mut streaming = Streaming::begin(&self.lambda.invoker, function, request, false).await?;
        let mut prelude = match streaming.next().await {
            Next::Piece(Piece::Begun(content_type)) => Prelude::of(content_type),
            Next::Piece(Piece::Data(_)) | Next::Lost => {
                return Err(Refusal::bad_gateway("a stream without a beginning"));
            }
            // AWS: an answer that is not streamed goes through as it is.
            Next::End(finished) => {
                return match finished.outcome {
                    Outcome::Answer(body) => Ok(Outgoing::new(StatusCode::OK, "application/json", body)),
                    Outcome::Failure(_) => Err(failed()),
                };
            }
        };
        loop {
            if let Some(answer) = prelude.complete().map_err(Refusal::bad_gateway)? {
                return Ok(hand_on(answer, streaming));
            }
            match streaming.next().await {
                Next::Piece(Piece::Data(bytes)) => prelude.push(&bytes).map_err(Refusal::bad_gateway)?,
                Next::Piece(Piece::Begun(_)) => {}
                Next::End(finished) => {
                    return match (finished.outcome, prelude.complete()) {
                        (Outcome::Answer(_), Ok(Some(answer))) => Ok(answer.outgoing()),
                        (Outcome::Answer(_), _) => Err(Refusal::bad_gateway("a stream without metadata")),
                        (Outcome::Failure(_), _) => Err(failed()),
                    };
                }
                Next::Lost => return Err(Refusal::bad_gateway("the request's task is gone")),
            }
        }
    }
}

fn failed() -> Refusal {
    Refusal::bad_gateway("the function failed")
}

fn whole_answer(body: &[u8]) -> Result<Outgoing, Refusal> {
    Answer::parse(body).map(Answer::outgoing).map_err(Refusal::bad_gateway)
}

/// Lets the rest of a stream follow its beginning.
fn hand_on(answer: Answer, streaming: Streaming) -> Outgoing {
    let (sender, body) = BodyStream::channel();
    drop(tokio::spawn(pass(streaming, sender)));
    Outgoing { stream: Some(body), ..answer.outgoing() }
}

async fn pass(mut streaming: Streaming, sender: BodySender) {
    loop {
        match streaming.next().await {
            Next::Piece(Piece::Begun(_)) => {}
            Next::Piece(Piece::Data(bytes)) => {
                if sender.send(bytes).await.is_err() {
                    return;
                }
            }
            Next::End(finished) => {
                // A stream that failed is not ended but broken off, so that nobody takes it for the whole.
                if matches!(finished.outcome, Outcome::Answer(_)) {
                    sender.finish().await;
                }
                return;
            }
            Next::Lost => return,
        }
    }
}

/// `{id}.lambda-url.…`
fn url_of_host(host: &str) -> Option<&str> {
    let (id, rest) = host.split_once('.')?;
    let is_id =
        id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (is_id && rest.starts_with("lambda-url.")).then_some(id)
}

/// Adds a header that is well-formed; others are left out.
fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = hyper::header::HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls_are_recognised_narrowly() {
        let id = "a".repeat(32);
        for host in ["lambda-url.us-east-1.on.aws", "lambda-url.us-east-1.localhost:4566"] {
            assert_eq!(url_of_host(&format!("{id}.{host}")), Some(id.as_str()));
        }
        for host in [
            format!("{id}.execute-api.us-east-1.localhost"),
            format!("{}.lambda-url.us-east-1.localhost", "A".repeat(32)),
            "short.lambda-url.us-east-1.localhost".to_owned(),
            "localhost:4566".to_owned(),
            format!("x.{id}.lambda-url.us-east-1.localhost"),
        ] {
            assert_eq!(url_of_host(&host), None, "{host}");
        }
    }
}
