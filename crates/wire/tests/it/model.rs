//! Two hand-made services per protocol, one schema with every kind in it, and random documents of any schema.

use bytes::Bytes;
use casemate_names::Timestamp;
use casemate_schema::{
    Auth, Constraints, Document, ErrorMeta, HttpBinding, Kind, Location, Member, OpMeta, Protocol, Schema,
    ServiceMeta, TimestampFormat,
};
use casemate_wire::{Head, HttpRequest};
use http::{HeaderMap, Uri};
use proptest::prelude::*;

const fn scalar(name: &'static str, kind: Kind) -> Schema {
    Schema { name, kind, constraints: Constraints::NONE, sensitive: false }
}

const fn structure(name: &'static str, members: &'static [Member]) -> Schema {
    scalar(name, Kind::Structure { members, payload: None, union: false })
}

const fn list(member: fn() -> &'static Schema, member_name: &'static str, flattened: bool) -> Kind {
    Kind::List { member, member_name, flattened }
}

pub(crate) static TEXT: Schema = scalar("Text", Kind::String);
pub(crate) static CHOICE: Schema = scalar("Choice", Kind::Enum(&["a", "b"]));
pub(crate) static FLAG: Schema = scalar("Flag", Kind::Boolean);
pub(crate) static INT: Schema = scalar("Int", Kind::Integer);
pub(crate) static LONG: Schema = scalar("Long", Kind::Long);
pub(crate) static FLOAT: Schema = scalar("Float", Kind::Float);
pub(crate) static DOUBLE: Schema = scalar("Double", Kind::Double);
pub(crate) static BLOB: Schema = scalar("Blob", Kind::Blob);
pub(crate) static TIME: Schema = scalar("Time", Kind::Timestamp(None));
pub(crate) static ISO_TIME: Schema = scalar("IsoTime", Kind::Timestamp(Some(TimestampFormat::Iso8601)));
pub(crate) static TEXTS: Schema = scalar("Texts", list(|| &TEXT, "member", false));
pub(crate) static ITEMS: Schema = scalar("Items", list(|| &NODE, "item", false));
pub(crate) static FLAT: Schema = scalar("Flat", list(|| &INT, "", true));
pub(crate) static TEXT_MAP: Schema = scalar("TextMap", Kind::Map { key: || &TEXT, value: || &TEXT });
pub(crate) static NODE_MAP: Schema = scalar("NodeMap", Kind::Map { key: || &TEXT, value: || &NODE });
pub(crate) static NODE: Schema = structure(
    "Node",
    &[
        Member::new("Text", || &TEXT),
        Member::new("Choice", || &CHOICE),
        Member::new("Flag", || &FLAG),
        Member::new("Int", || &INT).called("theInt"),
        Member::new("Long", || &LONG),
        Member::new("Float", || &FLOAT),
        Member::new("Double", || &DOUBLE),
        Member::new("Blob", || &BLOB),
        Member::new("Time", || &TIME),
        Member::new("IsoTime", || &ISO_TIME),
        Member::new("HttpTime", || &TIME).format(TimestampFormat::Rfc822),
        Member::new("Texts", || &TEXTS),
        Member::new("Items", || &ITEMS),
        Member::new("Flat", || &FLAT),
        Member::new("TextMap", || &TEXT_MAP),
        Member::new("NodeMap", || &NODE_MAP),
        Member::new("Node", || &NODE),
    ],
);

static HTTP_MEMBERS: &[Member] = &[
    Member::new("Name", || &TEXT).called("name").at(Location::Uri).required(),
    Member::new("Since", || &TIME).called("since").at(Location::Uri).required(),
    Member::new("Limit", || &INT).called("limit").at(Location::QueryString),
    Member::new("Keys", || &TEXTS).called("key").at(Location::QueryString),
    Member::new("Rest", || &TEXT_MAP).called("").at(Location::QueryString),
    Member::new("Mode", || &TEXT).called("X-Mode").at(Location::Header),
    Member::new("Modes", || &TEXTS).called("X-Modes").at(Location::Header),
    Member::new("Changed", || &TIME).called("X-Changed").at(Location::Header),
    Member::new("Tags", || &TEXT_MAP).called("X-Tag-").at(Location::Headers),
    Member::new("Node", || &NODE).called("node"),
    Member::new("Count", || &LONG),
];
pub(crate) static HTTP_INPUT: Schema = structure("HttpInput", HTTP_MEMBERS);
pub(crate) static BLOB_INPUT: Schema = scalar(
    "BlobInput",
    Kind::Structure {
        members: &[Member::new("Path", || &TEXT).at(Location::Uri).required(), Member::new("Data", || &BLOB)],
        payload: Some("Data"),
        union: false,
    },
);
pub(crate) static NODE_INPUT: Schema = scalar(
    "NodeInput",
    Kind::Structure { members: &[Member::new("Node", || &NODE)], payload: Some("Node"), union: false },
);
pub(crate) static EMPTY: Schema = structure("Empty", &[]);

static HTTP_OUTPUT: Schema = structure(
    "HttpOutput",
    &[
        Member::new("Status", || &INT).at(Location::StatusCode),
        Member::new("Mode", || &TEXT).called("X-Mode").at(Location::Header),
        Member::new("Node", || &NODE).called("node"),
    ],
);

pub(crate) static MISSING: Schema = structure(
    "Missing",
    &[
        Member::new("Type", || &TEXT),
        Member::new("Message", || &TEXT),
        Member::new("Item", || &TEXT),
        Member::new("RetryAfter", || &TEXT).called("Retry-After").at(Location::Header),
    ],
);
static ERRORS: &[ErrorMeta] =
    &[ErrorMeta { shape: "Missing", code: "Missing", status: 404, schema: &MISSING }];

const fn service(
    prefix: &'static str,
    protocol: Protocol,
    target_prefix: &'static str,
    api_version: &'static str,
    xml_namespace: &'static str,
) -> ServiceMeta {
    ServiceMeta { prefix, signing_name: prefix, protocol, target_prefix, api_version, xml_namespace }
}

pub(crate) static JSON_10: ServiceMeta =
    service("jsonten", Protocol::AwsJson1_0, "Ten_2020", "2020-01-01", "");
pub(crate) static JSON_11: ServiceMeta =
    service("jsoneleven", Protocol::AwsJson1_1, "Eleven", "2020-01-01", "");
pub(crate) static QUERY: ServiceMeta =
    service("query", Protocol::AwsQuery, "", "2020-01-01", "https://query.example/doc/");
pub(crate) static QUERY_TWO: ServiceMeta = service("query-two", Protocol::AwsQuery, "", "2020-01-01", "");
pub(crate) static REST: ServiceMeta = service("rest", Protocol::RestJson, "", "2020-01-01", "");
pub(crate) static REST_TWO: ServiceMeta = service("rest-two", Protocol::RestJson, "", "2020-01-01", "");

const fn op(
    service: &'static ServiceMeta,
    name: &'static str,
    method: &'static str,
    uri: &'static str,
    input: &'static Schema,
) -> OpMeta {
    OpMeta {
        service,
        name,
        http: HttpBinding { method, uri, status: 200 },
        input,
        output: &NODE,
        result_wrapper: "",
        errors: ERRORS,
        auth: Auth::SigV4,
    }
}

pub(crate) static TEN_PUT: OpMeta = op(&JSON_10, "Put", "POST", "/", &NODE);
pub(crate) static ELEVEN_PUT: OpMeta = op(&JSON_11, "Put", "POST", "/", &NODE);
pub(crate) static ELEVEN_NONE: OpMeta = op(&JSON_11, "None", "POST", "/", &EMPTY);
pub(crate) static QUERY_PUT: OpMeta =
    OpMeta { result_wrapper: "PutResult", ..op(&QUERY, "Put", "POST", "/", &NODE) };
pub(crate) static QUERY_SAME: OpMeta = op(&QUERY, "Same", "POST", "/", &NODE);
pub(crate) static QUERY_TWO_SAME: OpMeta = op(&QUERY_TWO, "Same", "POST", "/", &NODE);
pub(crate) static REST_PUT: OpMeta = OpMeta {
    output: &HTTP_OUTPUT,
    http: HttpBinding { method: "PUT", uri: "/v1/things/{name}/since/{since}?mode=put", status: 201 },
    ..op(&REST, "Put", "PUT", "", &HTTP_INPUT)
};
pub(crate) static REST_LIST: OpMeta = op(&REST, "List", "GET", "/v1/things/", &EMPTY);
pub(crate) static REST_CREATE: OpMeta = op(&REST, "Create", "POST", "/v1/things", &NODE_INPUT);
pub(crate) static REST_IMPORT: OpMeta = op(&REST, "Import", "POST", "/v1/things?mode=import", &NODE_INPUT);
pub(crate) static REST_SPECIAL: OpMeta = op(&REST, "Special", "GET", "/v1/things/special", &EMPTY);
pub(crate) static REST_READ: OpMeta = op(&REST, "Read", "GET", "/v1/things/{Path}", &BLOB_INPUT);
pub(crate) static REST_SPECIAL_DEEP: OpMeta = op(&REST, "Deep", "GET", "/v1/things/{Path}/deep", &BLOB_INPUT);
pub(crate) static REST_UPLOAD: OpMeta = op(&REST, "Upload", "POST", "/v1/blobs/{Path+}", &BLOB_INPUT);
pub(crate) static REST_TWO_READ: OpMeta = op(&REST_TWO, "Read", "GET", "/v1/things/{Path}", &BLOB_INPUT);
pub(crate) static REST_TWO_OWN: OpMeta = op(&REST_TWO, "Own", "GET", "/v2/things/{Path}", &BLOB_INPUT);

pub(crate) static ALL: &[&OpMeta] = &[
    &TEN_PUT,
    &ELEVEN_PUT,
    &ELEVEN_NONE,
    &QUERY_PUT,
    &QUERY_SAME,
    &QUERY_TWO_SAME,
    &REST_PUT,
    &REST_LIST,
    &REST_CREATE,
    &REST_IMPORT,
    &REST_SPECIAL,
    &REST_READ,
    &REST_SPECIAL_DEEP,
    &REST_UPLOAD,
    &REST_TWO_READ,
    &REST_TWO_OWN,
];

/// A head out of plain parts.
pub(crate) fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Head {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    Head::new(method.parse().unwrap(), target.parse::<Uri>().unwrap(), map)
}

/// The head of a client's request.
pub(crate) fn head_of(request: &HttpRequest) -> Head {
    let mut map = HeaderMap::new();
    for (name, value) in &request.headers {
        map.append(name.clone(), value.clone());
    }
    Head::new(request.method.clone(), request.target.parse().unwrap(), map)
}

/// The same value with members and entries in order of name: protocols differ in the order they keep.
pub(crate) fn sorted(document: Document) -> Document {
    match document {
        Document::Map(entries) => {
            let mut entries: Vec<_> =
                entries.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Document::Map(entries)
        }
        Document::List(items) => Document::List(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Random values of a shape that lies in a body.
pub(crate) fn of_body(schema: &'static Schema, depth: u32) -> BoxedStrategy<Document> {
    match &schema.kind {
        Kind::String => any::<String>().prop_map(Document::String).boxed(),
        Kind::Enum(values) => prop::sample::select(values.to_vec()).prop_map(Document::from).boxed(),
        Kind::Boolean => any::<bool>().prop_map(Document::Bool).boxed(),
        Kind::Integer => any::<i32>().prop_map(Document::from).boxed(),
        Kind::Long => any::<i64>().prop_map(Document::Integer).boxed(),
        // Sums of a few powers of two: every decimal reader agrees on them.
        Kind::Float | Kind::Double => any::<i32>().prop_map(|n| Document::Double(f64::from(n) / 8.0)).boxed(),
        Kind::Blob => prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|bytes| Document::Blob(Bytes::from(bytes)))
            .boxed(),
        Kind::Timestamp(_) => millis().prop_map(Document::Timestamp).boxed(),
        Kind::List { .. } | Kind::Map { .. } if depth == 0 => Just(empty_of(schema)).boxed(),
        Kind::List { member, .. } => {
            prop::collection::vec(of_body(member(), depth - 1), 0..4).prop_map(Document::List).boxed()
        }
        Kind::Map { value, .. } => {
            prop::collection::btree_map(any::<String>(), of_body(value(), depth - 1), 0..4)
                .prop_map(|entries| Document::Map(entries.into_iter().collect()))
                .boxed()
        }
        Kind::Structure { .. } if depth == 0 => Just(Document::empty()).boxed(),
        Kind::Structure { members, .. } => {
            let each: Vec<_> = members
                .iter()
                .map(|member| {
                    let whole = member.timestamp_format == Some(TimestampFormat::Rfc822);
                    let value = of_body((member.schema)(), depth - 1);
                    let value = if whole { whole_seconds() } else { value };
                    prop::option::weighted(0.4, value)
                        .prop_map(|value| value.map(|v| (member.name.to_owned(), v)))
                })
                .collect();
            each.prop_map(|members| Document::Map(members.into_iter().flatten().collect())).boxed()
        }
    }
}

/// Random inputs of [`HTTP_INPUT`], within what the places can carry.
pub(crate) fn http_input() -> BoxedStrategy<Document> {
    let name = prop_oneof![any::<String>(), "[a-z/%+ ?#]{1,9}"]
        .prop_filter("empty and dot segments match nothing", |t| !matches!(t.as_str(), "" | "." | ".."));
    let header = "[!-~]([ -~]{0,8}[!-~])?";
    let texts = |each: &'static str| {
        prop::collection::vec(each, 1..4)
            .prop_map(|items| Document::List(items.into_iter().map(Document::String).collect()))
    };
    let entries = |key: &'static str, value: &'static str| {
        prop::collection::btree_map(key, value, 1..4)
            .prop_map(|map| Document::Map(map.into_iter().map(|(k, v)| (k, Document::String(v))).collect()))
    };
    let optional = (
        prop::option::of(of_body(&INT, 1)),
        prop::option::of(texts("\\PC{0,6}")),
        prop::option::of(entries("[a-j]{1,4}[^a-z]", "\\PC{0,6}")),
        prop::option::of(header.prop_map(Document::String)),
        prop::option::of(texts("[ -~]{0,6}")),
        prop::option::of(whole_seconds()),
        prop::option::of(entries("[a-z0-9-]{1,6}", header)),
        prop::option::of(of_body(&NODE, 2)),
        prop::option::of(of_body(&LONG, 1)),
    );
    (name, millis(), optional)
        .prop_map(|(name, since, (limit, keys, rest, mode, modes, changed, tags, node, count))| {
            let mut input = Document::empty();
            input.push("Name", Document::String(name));
            input.push("Since", Document::Timestamp(since));
            for (name, value) in [
                ("Limit", limit),
                ("Keys", keys),
                ("Rest", rest),
                ("Mode", mode),
                ("Modes", modes),
                ("Changed", changed),
                ("Tags", tags),
                ("Node", node),
                ("Count", count),
            ] {
                input.push(name, value.unwrap_or_default());
            }
            input
        })
        .boxed()
}

fn empty_of(schema: &Schema) -> Document {
    if matches!(schema.kind, Kind::List { .. }) { Document::List(Vec::new()) } else { Document::empty() }
}

fn millis() -> impl Strategy<Value = Timestamp> {
    (0_i64..=253_402_300_799_999).prop_map(Timestamp::from_millis)
}

fn whole_seconds() -> BoxedStrategy<Document> {
    (0_i64..=253_402_300_799).prop_map(|s| Document::Timestamp(Timestamp::from_seconds(s))).boxed()
}
