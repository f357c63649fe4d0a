//! What the condition keys of services are good for in a minimal policy. Data, from the services' authorization reference.
// tidy: table

/// How a key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// One value: a plain operator.
    Single,
    /// Many values: `ForAllValues`, and `Null` so that their absence is not taken for agreement.
    Set,
    /// One value, whose absence is the least that can be asked for (`NONE`): `IfExists`, where that was seen.
    Least,
    /// One value, which one resource cannot change: said already where that resource is named.
    OfResource,
    /// Says nothing about what may be done.
    Skip,
}

/// What is known of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) usage: Use,
    /// Its values may be those of the caller's tags, name or session.
    pub(crate) personal: bool,
}

/// Keys by name; an entry that ends with `*` is for all keys that begin so.
const RULES: [(&str, Use, bool); 60] = [
    ("aws:RequestTag/*", Use::Single, true),
    ("aws:TagKeys", Use::Set, false),
    ("aws:ResourceTag/*", Use::Skip, false),
    ("dynamodb:LeadingKeys", Use::Set, true),
    // The same values once more.
    ("dynamodb:FirstPartitionKeyValues", Use::Skip, false),
    ("dynamodb:SecondPartitionKeyValues", Use::Set, true),
    ("dynamodb:ThirdPartitionKeyValues", Use::Set, true),
    ("dynamodb:FourthPartitionKeyValues", Use::Set, true),
    ("dynamodb:Attributes", Use::Set, false),
    ("dynamodb:Select", Use::Single, false),
    ("dynamodb:ReturnValues", Use::Least, false),
    ("dynamodb:ReturnConsumedCapacity", Use::Skip, false),
    ("dynamodb:EnclosingOperation", Use::Single, false),
    ("dynamodb:FullTableScan", Use::Single, false),
    ("iam:PassedToService", Use::Single, false),
    ("iam:AssociatedResourceArn", Use::Skip, false),
    ("iam:PolicyARN", Use::Single, false),
    ("iam:PermissionsBoundary", Use::Single, false),
    ("iam:AWSServiceName", Use::Single, false),
    ("sts:ExternalId", Use::Single, false),
    ("sts:RoleSessionName", Use::Single, true),
    ("sts:SourceIdentity", Use::Single, true),
    ("sts:TransitiveTagKeys", Use::Set, false),
    ("sts:DurationSeconds", Use::Skip, false),
    ("kms:CustomerMasterKeySpec", Use::OfResource, false),
    ("kms:CustomerMasterKeyUsage", Use::OfResource, false),
    ("kms:KeyOrigin", Use::OfResource, false),
    ("kms:KeySpec", Use::OfResource, false),
    ("kms:KeyUsage", Use::OfResource, false),
    ("kms:MultiRegion", Use::OfResource, false),
    ("kms:EncryptionContextKeys", Use::Set, false),
    ("kms:EncryptionContext:*", Use::Single, true),
    ("kms:ViaService", Use::Single, false),
    ("kms:CallerAccount", Use::Skip, false),
    ("kms:GrantOperations", Use::Set, false),
    ("kms:RequestAlias", Use::Single, false),
    ("kms:ResourceAliases", Use::Skip, false),
    ("s3:prefix", Use::Single, true),
    ("s3:delimiter", Use::Skip, false),
    ("s3:max-keys", Use::Skip, false),
    ("s3:VersionId", Use::Skip, false),
    ("s3:authType", Use::Skip, false),
    ("s3:signatureAge", Use::Skip, false),
    ("s3:signatureversion", Use::Skip, false),
    ("s3:TlsVersion", Use::Skip, false),
    ("s3:ResourceAccount", Use::Skip, false),
    ("s3:x-amz-content-sha256", Use::Skip, false),
    ("s3:RequestObjectTagKeys", Use::Set, false),
    ("s3:RequestObjectTag/*", Use::Single, true),
    ("secretsmanager:SecretId", Use::Skip, false),
    ("secretsmanager:VersionId", Use::Skip, false),
    ("secretsmanager:VersionStage", Use::Single, false),
    ("secretsmanager:ResourceTag/*", Use::Skip, false),
    ("secretsmanager:resource/*", Use::Skip, false),
    ("sns:Protocol", Use::Single, false),
    ("sns:Endpoint", Use::Single, true),
    ("lambda:Layer", Use::Set, false),
    ("lambda:VpcIds", Use::Set, false),
    ("lambda:SourceFunctionArn", Use::Skip, false),
    ("cloudformation:ChangeSetName", Use::Skip, false),
];

/// The rule of a key; of an unknown one, from how it was seen.
pub(crate) fn rule(key: &str, many: bool) -> Rule {
    let fits = |name: &str| match name.strip_suffix('*') {
        Some(start) => key.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)),
        None => key.eq_ignore_ascii_case(name),
    };
    match RULES.iter().find(|(name, ..)| fits(name)) {
        Some((_, usage, personal)) => Rule { usage: *usage, personal: *personal },
        None => Rule { usage: if many { Use::Set } else { Use::Single }, personal: true },
    }
}

/// Global keys whose values are part of the record. Not among them: `aws:userid` and `aws:SourceIdentity`, which are kept
/// only where they show in what was asked.
const RECORDED: [&str; 13] = [
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principaltype",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:tagkeys",
    "aws:username",
    "aws:viaawsservice",
];

/// Whether the record tells the value of a key, or at least that it was absent. Of others nothing can be replayed.
pub(crate) fn is_recorded(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let Some((service, name)) = key.split_once(':') else { return false };
    if name.starts_with("resourcetag/") || name.starts_with("existingobjecttag/") {
        return false;
    }
    match service {
        "aws" => {
            ["principaltag/", "requesttag/"].iter().any(|start| name.starts_with(start))
                || RECORDED.contains(&key.as_str())
        }
        // Said of the session, not by the operation.
        "saml" => false,
        "lambda" => name != "sourcefunctionarn",
        // Facts of web identities: `cognito-identity.amazonaws.com:sub`.
        issuer => !issuer.contains('.'),
    }
}

/// An algorithm that a key for which it can be asked has no other beside: it, too, is said by naming the key.
// AWS: KMS Developer Guide, "Key spec reference": symmetric encryption keys know `SYMMETRIC_DEFAULT` only.
pub(crate) const ONLY_ALGORITHM: (&str, &str) = ("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");

/// The value whose absence means the same, of keys for which that is so ([`Use::Least`]).
// AWS: DynamoDB API Reference, `ReturnValues`: NONE is the default.
pub(crate) const LEAST: &str = "NONE";

/// Reads that return all attributes make a list of attributes meaningless.
pub(crate) const ATTRIBUTES: &str = "dynamodb:Attributes";
/// What a read returns.
pub(crate) const SELECT: &str = "dynamodb:Select";
/// The value of [`SELECT`] that a list of attributes does not bind.
pub(crate) const ALL_ATTRIBUTES: &str = "ALL_ATTRIBUTES";
