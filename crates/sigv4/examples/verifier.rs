//! A server that stores nothing and verifies everything: each request is judged as S3 would judge it, and the answer says
//! what was found. `suites/test_signatures.py` sends it what real clients sign.
//!
//! `verifier ACCESS_KEY_ID SECRET` prints the port it listens on (loopback only). A request whose signature holds is
//! answered with `x-verified: FORM`, `x-payload: hash|unsigned|chunked|absent` (what the head said of the body) and
//! `x-body-sha256`; any other with 403 and an XML error.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for tests: it prints its port and reads the clock"
)]

use std::{convert::Infallible, error::Error, net::Ipv4Addr, sync::Arc, time::SystemTime};

use casemate_names::{Secret, Timestamp, hex, sha256};
use casemate_sigv4::{
    Arrival, Claim, Expected, Field, Head, PathStyle, PayloadHash, Placement, PostForm, SKEW_S,
    SigningKeyCache, parse, verify, verify_chunked,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Bytes, body::Incoming, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Verifier {
    access_key_id: String,
    secret: Secret<String>,
    keys: SigningKeyCache,
}

/// What was proved.
struct Verified {
    form: String,
    payload: &'static str,
    data: Vec<u8>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(access_key_id), Some(secret)) = (arguments.next(), arguments.next()) else {
        return Err("usage: verifier ACCESS_KEY_ID SECRET".into());
    };
    let verifier =
        Arc::new(Verifier { access_key_id, secret: Secret::new(secret), keys: SigningKeyCache::new() });
    let socket = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", socket.local_addr()?.port());
    loop {
        let (stream, _) = socket.accept().await?;
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let verifier = Arc::clone(&verifier);
                async move { Ok::<_, Infallible>(verifier.answer(request).await) }
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

impl Verifier {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let posted = request.method() == Method::POST;
        match self.judge(request).await {
            Ok(verified) => {
                // The few answers that clients read before they go on with an upload in parts.
                let body = if posted && query.contains("uploadId") {
                    "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"
                } else if posted && query.contains("uploads") {
                    "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>1</UploadId>\
                     </InitiateMultipartUploadResult>"
                } else {
                    ""
                };
                Response::builder()
                    .header("etag", "\"e\"")
                    .header("x-verified", verified.form)
                    .header("x-payload", verified.payload)
                    .header("x-body-sha256", hex(&sha256(&verified.data)))
                    .body(Full::from(body))
                    .unwrap_or_default()
            }
            Err(error) => {
                let text = error.to_string().replace('&', "&amp;").replace('<', "&lt;");
                let body = format!("<Error><Code>Refused</Code><Message>{text}</Message></Error>");
                let mut answer = Response::new(Full::from(body));
                *answer.status_mut() = StatusCode::FORBIDDEN;
                answer
            }
        }
    }

    async fn judge(&self, request: Request<Incoming>) -> Fallible<Verified> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let now = Timestamp::from_seconds(i64::try_from(now)?);
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok());
        if let Some(Ok(boundary)) = content_type.map(multer::parse_boundary) {
            return self.form(body, boundary, now).await;
        }
        let headers: Vec<(&str, &[u8])> =
            parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let head = Head { method: parts.method.as_str(), target, headers: &headers };
        let claim = parse(&head)?.ok_or("the request is not signed")?;
        self.known(&claim)?;
        if let PayloadHash::Chunked(chunking) = claim.payload {
            let mut chunked = verify_chunked(&head, &claim, &expected(), &self.secret, &self.keys, now)?;
            let mut data = Vec::new();
            chunked.push(&body, &mut data)?;
            chunked.finish()?;
            return Ok(Verified { form: chunking.name().to_owned(), payload: "chunked", data });
        }
        let arrival = Arrival { at: now, body_sha256: &sha256(&body) };
        verify(&head, &claim, &expected(), &self.secret, &self.keys, &arrival)?;
        let placement = match claim.placement {
            Placement::Header => "header",
            Placement::Query => "query",
            Placement::Form => "form",
        };
        let payload = match claim.payload {
            PayloadHash::Sha256(_) => "hash",
            PayloadHash::Unsigned => "unsigned",
            PayloadHash::Absent => "absent",
            PayloadHash::Chunked(_) | PayloadHash::Invalid => {
                return Err("such a body is not for `verify`".into());
            }
        };
        let form = format!("{placement} {}", claim.algorithm.name());
        Ok(Verified { form, payload, data: body.to_vec() })
    }

    async fn form(&self, body: Bytes, boundary: String, now: Timestamp) -> Fallible<Verified> {
        let mut parts = multer::Multipart::with_reader(body.as_ref(), boundary);
        let (mut fields, mut data) = (Vec::new(), None);
        while let Some(part) = parts.next_field().await? {
            let name = part.name().ok_or("a field without a name")?.to_owned();
            if name == "file" {
                data = Some(part.bytes().await?.to_vec());
                break;
            }
            fields.push((name, part.text().await?));
        }
        let data = data.ok_or("the form has no file")?;
        let fields: Vec<Field<'_>> = fields.iter().map(|(name, value)| Field { name, value }).collect();
        let form = PostForm::read(&fields)?.ok_or("the form is not signed")?;
        self.known(form.claim())?;
        form.verify(&expected(), &self.secret, "bucket", u64::try_from(data.len())?, now)?;
        Ok(Verified { form: "form".to_owned(), payload: "absent", data })
    }

    fn known(&self, claim: &Claim) -> Fallible<()> {
        if claim.access_key_id == self.access_key_id { Ok(()) } else { Err("unknown access key".into()) }
    }
}

fn expected() -> Expected<'static> {
    Expected { region: "us-east-1", service: "s3", path_style: PathStyle::Raw, skew_s: SKEW_S }
}
