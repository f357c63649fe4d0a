//! Static descriptions of services, operations and shapes. Written by `cargo xtask codegen`, never by hand.

/// One service.
#[derive(Debug)]
pub struct ServiceMeta {
    /// Endpoint and IAM prefix, e.g. `cognito-idp`.
    pub prefix: &'static str,
    /// The name in a SigV4 credential scope; nearly always the prefix.
    pub signing_name: &'static str,
    /// Which protocol its requests speak.
    pub protocol: Protocol,
    /// The part before the dot in `X-Amz-Target` (JSON protocols), else empty.
    pub target_prefix: &'static str,
    /// The API version: awsQuery clients send it as `Version`.
    pub api_version: &'static str,
    /// XML namespace of awsQuery answers, else empty.
    pub xml_namespace: &'static str,
}

/// The wire protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `application/x-amz-json-1.0`
    AwsJson1_0,
    /// `application/x-amz-json-1.1`
    AwsJson1_1,
    /// Form-encoded requests, XML answers.
    AwsQuery,
    /// JSON bodies, HTTP bindings.
    RestJson,
}

/// One operation.
#[derive(Debug)]
pub struct OpMeta {
    /// Its service.
    pub service: &'static ServiceMeta,
    /// The API name, e.g. `InitiateAuth`.
    pub name: &'static str,
    /// How it is bound to HTTP (`POST /` for the RPC protocols).
    pub http: HttpBinding,
    /// Shape of the input; an empty structure when the operation takes none.
    pub input: &'static Schema,
    /// Shape of the output; an empty structure when the operation answers nothing.
    pub output: &'static Schema,
    /// awsQuery: the element around the result, e.g. `GetCallerIdentityResult`. Empty when there is none.
    pub result_wrapper: &'static str,
    /// The modelled errors.
    pub errors: &'static [ErrorMeta],
    /// Whether the model demands a signature.
    pub auth: Auth,
}

/// Method, path template and success status.
#[derive(Debug)]
pub struct HttpBinding {
    /// Upper case.
    pub method: &'static str,
    /// E.g. `/2015-03-31/functions/{FunctionName}/invocations`; `{name+}` is greedy; a literal query may follow (`?mode=import`).
    pub uri: &'static str,
    /// Status of a successful answer.
    pub status: u16,
}

/// Does the model demand a signature?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// SigV4.
    SigV4,
    /// `authtype: none`: the right lies in the input, or the operation is public.
    None,
}

/// One modelled error.
#[derive(Debug)]
pub struct ErrorMeta {
    /// The shape's name.
    pub shape: &'static str,
    /// The code on the wire (awsQuery errors may rename theirs).
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The error's members.
    pub schema: &'static Schema,
}

/// One shape.
#[derive(Debug)]
pub struct Schema {
    /// The shape's name in the model.
    pub name: &'static str,
    /// What it is made of.
    pub kind: Kind,
    /// What values are legal.
    pub constraints: Constraints,
    /// Must never be logged.
    pub sensitive: bool,
}

/// What a shape is made of. Members are functions returning the schema so that recursive shapes can be `static`.
#[derive(Debug)]
pub enum Kind {
    /// UTF-8 text.
    String,
    /// UTF-8 text out of a closed set.
    Enum(&'static [&'static str]),
    /// true or false
    Boolean,
    /// 32-bit integer.
    Integer,
    /// 64-bit integer.
    Long,
    /// 32-bit floating point.
    Float,
    /// 64-bit floating point.
    Double,
    /// Bytes; `streaming` when the payload is not buffered by SDKs.
    Blob,
    /// Instant; the format is a property of shape, location and protocol.
    Timestamp(Option<TimestampFormat>),
    /// Ordered members of one shape.
    List {
        /// Shape of each element.
        member: fn() -> &'static Schema,
        /// Element name where the wire wants one (awsQuery default `member`).
        member_name: &'static str,
        /// No wrapper element or `.member.` part in awsQuery.
        flattened: bool,
    },
    /// Text keys to values of one shape.
    Map {
        /// Shape of the keys.
        key: fn() -> &'static Schema,
        /// Shape of the values.
        value: fn() -> &'static Schema,
    },
    /// Named members.
    Structure {
        /// In the model's order.
        members: &'static [Member],
        /// Name of the member that is the whole HTTP body, if there is one.
        payload: Option<&'static str>,
        /// Exactly one member may be set.
        union: bool,
    },
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Name in the model, which is the key in a [`crate::Document`].
    pub name: &'static str,
    /// Name on the wire.
    pub wire_name: &'static str,
    /// Its shape.
    pub schema: fn() -> &'static Schema,
    /// Must be present.
    pub required: bool,
    /// Where in the HTTP message it lies.
    pub location: Location,
    /// Member-level override of the timestamp form.
    pub timestamp_format: Option<TimestampFormat>,
}

/// Where in the HTTP message a member lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body.
    Body,
    /// A label of the path template.
    Uri,
    /// A query parameter.
    QueryString,
    /// A header.
    Header,
    /// All headers with the member's wire name as prefix.
    Headers,
    /// The status code itself (answers).
    StatusCode,
}

/// Textual forms of instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2026-11-24T02:19:55Z`
    Iso8601,
    /// Seconds since the epoch, with fraction.
    UnixTimestamp,
    /// RFC 822/9110 date.
    Rfc822,
}

/// Which values of a shape are legal. Lengths are characters for text, bytes for blobs, entries for lists and maps.
#[derive(Debug, Clone, Copy)]
pub struct Constraints {
    /// Smallest length or value.
    pub min: Option<f64>,
    /// Largest length or value.
    pub max: Option<f64>,
    /// Regular expression (Java dialect of the model), matched against the whole text.
    pub pattern: Option<&'static str>,
}

impl Constraints {
    /// Anything goes.
    pub const NONE: Self = Self { min: None, max: None, pattern: None };
}

impl Schema {
    /// The members of a structure; empty for anything else.
    pub fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure { members, .. } => members,
            _ => &[],
        }
    }

    /// The member called `name`.
    pub fn member(&self, name: &str) -> Option<&'static Member> {
        self.members().iter().find(|member| member.name == name)
    }
}

impl Member {
    /// An optional member in the body, called the same on the wire.
    pub const fn new(name: &'static str, schema: fn() -> &'static Schema) -> Self {
        Self {
            name,
            wire_name: name,
            schema,
            required: false,
            location: Location::Body,
            timestamp_format: None,
        }
    }

    /// The same, but it must be present.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, but called otherwise on the wire.
    #[must_use]
    pub const fn called(mut self, wire_name: &'static str) -> Self {
        self.wire_name = wire_name;
        self
    }

    /// The same, but elsewhere in the HTTP message.
    #[must_use]
    pub const fn at(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    /// The same, but with its own form of instants.
    #[must_use]
    pub const fn format(mut self, format: TimestampFormat) -> Self {
        self.timestamp_format = Some(format);
        self
    }
}
