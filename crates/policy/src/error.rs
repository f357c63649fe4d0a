//! Why a policy document was refused, in AWS's words.

use std::fmt;

/// A policy document that cannot be stored. `Display` is the message AWS's `MalformedPolicyDocument` carries;
/// [`PolicyError::place`] says where in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    problem: Problem,
    place: String,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Not JSON, or an object with a repeated key.
    Json,
    /// An element, operator, effect or type the grammar does not have.
    Syntax,
    /// `Version` is missing or too old for this kind of policy.
    Version,
    /// A statement has no, or an empty, `Action`/`NotAction`.
    NoActions,
    /// A statement has no, or an empty, `Resource`/`NotResource`.
    NoResources,
    /// Identity policies must not say to whom they apply.
    PrincipalForbidden,
    /// An element this kind of policy must not have.
    ProhibitedField(&'static str),
    /// An element this kind of policy must have.
    MissingField(&'static str),
    /// An action without a service in front.
    ActionWithoutVendor,
    /// An action with more than one colon.
    ActionColons,
    /// A resource that is neither an ARN nor `*`.
    NotAnArn(String),
    /// A wildcard in the service part of a resource's ARN.
    WildcardVendor,
    /// A policy variable in the service part of a resource's ARN.
    VariableInArnPrefix(String),
    /// A principal of an unknown form, or with a partial wildcard.
    InvalidPrincipal {
        /// `AWS`, `Service`, …
        kind: String,
        /// As written.
        value: String,
    },
    /// `NotPrincipal` together with `Allow`.
    AllowWithNotPrincipal,
    /// A trust policy that is about something else than assuming the role.
    NotAssumeRole,
    /// A `Sid` with illegal characters.
    SidCharacters,
    /// The same `Sid` twice.
    SidRepeated,
    /// A resource control policy that allows something.
    AllowInResourceControl,
    /// Longer than any policy may be.
    TooLarge {
        /// In bytes.
        limit: usize,
    },
}

impl PolicyError {
    pub(crate) fn new(problem: Problem, place: impl Into<String>) -> Self {
        Self { problem, place: place.into() }
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Where, e.g. `Statement[2].Condition.StringEquals`. Empty when it concerns the whole document.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Display for PolicyError {
    // AWS: texts as returned by CreatePolicy, PutRolePolicy, CreateRole and PutBucketPolicy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Json => f.write_str("This policy contains invalid Json"),
            Problem::Syntax => f.write_str("Syntax errors in policy."),
            Problem::Version => f.write_str("Policy document must be version 2012-10-17 or greater."),
            Problem::NoActions => f.write_str("Policy statement must contain actions."),
            Problem::NoResources => f.write_str("Policy statement must contain resources."),
            Problem::PrincipalForbidden => f.write_str("Policy document should not specify a principal."),
            Problem::ProhibitedField(field) => write!(f, "Has prohibited field {field}"),
            Problem::MissingField(field) => write!(f, "Missing required field {field}"),
            Problem::ActionWithoutVendor => {
                f.write_str("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
            }
            Problem::ActionColons => f.write_str("Actions/Condition can contain only one colon."),
            Problem::NotAnArn(text) => write!(f, "Resource {text} must be in ARN format or \"*\"."),
            Problem::WildcardVendor => {
                f.write_str("Resource vendor must be fully qualified and cannot contain regexes.")
            }
            Problem::VariableInArnPrefix(text) => {
                // DIVERGES: AWS stores such a policy and the statement then never matches; a Deny would be lost. (A
                // variable in the region or account is taken: an Allow then never applies, a Deny does.)
                write!(f, "Resource {text} has a policy variable in its service.")
            }
            Problem::InvalidPrincipal { kind, value } => {
                write!(f, "Invalid principal in policy: \"{kind}\":\"{value}\"")
            }
            Problem::AllowWithNotPrincipal => f.write_str("Allow with NotPrincipal is not allowed."),
            Problem::NotAssumeRole => {
                f.write_str("AssumeRole policy may only specify STS AssumeRole actions.")
            }
            Problem::SidCharacters => f.write_str(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
                 expression [0-9A-Za-z]*",
            ),
            Problem::SidRepeated => f.write_str("Statement IDs (SID) in a single policy must be unique."),
            Problem::AllowInResourceControl => f.write_str("A resource control policy can only deny."),
            Problem::TooLarge { limit } => write!(f, "The policy is longer than {limit} bytes."),
        }
    }
}

impl std::error::Error for PolicyError {}
