//! What a rule is and what it finds.
// tidy: table

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably grants more, or less, than meant.
    Warning,
    /// Cannot work, or opens a way to everything.
    Error,
}

/// One rule.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// `CM001`
    pub id: &'static str,
    /// A name in a few words.
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Why it is a problem.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What was found, in this document's words.
    pub message: String,
    /// The statement's position, from 0; `None` for the whole document.
    pub statement: Option<usize>,
    /// The statement's `Sid`.
    pub sid: Option<String>,
    /// Where the document comes from inside a template: `Role/Policies/name`.
    pub place: Option<String>,
    /// Line in the file, from 1.
    pub line: Option<usize>,
}

impl Finding {
    /// About the document as a whole.
    pub(crate) fn whole(rule: &'static Rule, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), statement: None, sid: None, place: None, line: None }
    }
}

macro_rules! rules {
    ($($name:ident = $id:literal $title:literal $severity:ident, $why:literal, $fix:literal;)*) => {
        $(pub(crate) static $name: Rule = Rule {
            id: $id, name: $title, severity: Severity::$severity, why: $why, fix: $fix,
        };)*
        /// Every rule, in order of id.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    UNREADABLE = "CM000" "unreadable policy" Error,
        "The document is outside the grammar, so it cannot be stored; a stored one would deny everything.",
        "Correct the element named in the message.";
    EVERY_ACTION = "CM001" "every action" Error,
        "The statement allows every action of every service, now and in future.",
        "List the actions that are used.";
    EVERY_ACTION_OF_SERVICE = "CM002" "every action of a service" Warning,
        "The statement allows reading, writing, deleting and managing permissions alike, and whatever the service adds.",
        "List the actions that are used.";
    EVERY_RESOURCE = "CM003" "every resource" Warning,
        "Actions that could be limited to single resources are allowed on all of the account's.",
        "Name the resources by ARN.";
    NOT_ACTION = "CM004" "allow with NotAction" Warning,
        "Everything that is not listed is allowed, also of services nobody had in mind.",
        "Use Action, or make the statement a Deny.";
    NOT_RESOURCE = "CM005" "allow with NotResource" Warning,
        "Every resource that is not listed is included, also those that do not exist yet.",
        "Use Resource, or make the statement a Deny.";
    ESCALATION = "CM010" "privilege escalation" Error,
        "Whoever has these actions on such resources can give themselves other rights than the policy shows.",
        "Limit the resources to those that are meant, or require iam:PermissionsBoundary or iam:PassedToService.";
    ASSUME_ANY_ROLE = "CM011" "any role may be assumed" Error,
        "Every role that trusts the account can be taken on.",
        "Name the roles.";
    VACUOUS = "CM020" "ForAllValues without Null" Warning,
        "ForAllValues holds for requests that do not have the key at all.",
        "Add \"Null\": {\"the key\": \"false\"} beside it.";
    SCAN_UNDER_LEADING_KEYS = "CM021" "actions without the key they are limited by" Error,
        "These actions can be asked without dynamodb:LeadingKeys; a ForAllValues condition on it then holds, and the whole table is open.",
        "Leave the actions out of the statement, or require the key with Null.";
    WILDCARD_IN_EXACT = "CM022" "wildcard in an exact comparison" Error,
        "StringEquals and its kin compare stars and question marks as they are, so the value never matches what was meant.",
        "Use StringLike or ArnLike, or write the value out.";
    UNKNOWN_KEY = "CM023" "unknown condition key" Error,
        "No request has the key, so a positive condition never holds and a negated one always does.",
        "Correct the key's spelling.";
    NEGATED_WITHOUT_KEY = "CM024" "negated condition that absence satisfies" Note,
        "In an Allow a negated operator also holds for requests that do not have the key.",
        "Add \"Null\": {\"the key\": \"false\"} beside it, or say what is allowed instead.";
    CONFUSED_DEPUTY = "CM030" "confused deputy" Warning,
        "The service is admitted for whoever makes it act, also from other accounts.",
        "Require aws:SourceArn or aws:SourceAccount.";
    EVERYBODY = "CM031" "everybody" Error,
        "The whole world is admitted, also without a signature.",
        "Name the principals, or require aws:PrincipalOrgID, aws:PrincipalAccount, aws:SourceArn or a network.";
    UNBOUND_FEDERATION = "CM032" "provider without audience or subject" Error,
        "Every user, or every application, of the identity provider can take on the role.",
        "Require the provider's aud and sub keys.";
    PUBLIC_URL = "CM033" "public function URL" Note,
        "The function's URL asks for no signature: whoever has it invokes the function, with any input and as often as they like.",
        "Leave it if that is meant and the function checks its callers; else use AWS_IAM.";
    UNREACHABLE = "CM040" "unreachable statement" Warning,
        "A Deny without conditions covers all that the statement allows: it has no effect.",
        "Remove one of the two.";
    OLD_VERSION = "CM041" "variables in an old document" Error,
        "Without \"Version\": \"2012-10-17\" a policy variable is plain text and the element matches nothing.",
        "Set the version to 2012-10-17.";
    ARN_FORM = "CM042" "misshapen ARN" Error,
        "An ARN has six parts, arn:partition:service:region:account:resource; this one matches no resource.",
        "Write all the colons; leave a part that a service does not have empty.";
    UNKNOWN_ACTION = "CM043" "unknown action" Error,
        "No action of the service matches, so the element has no effect.",
        "Correct the action's spelling.";
    NOT_ATTACHABLE = "CM044" "refused by its service" Error,
        "The service does not take the document for such a resource, which keeps the policy it has.",
        "Correct what the message names.";
    SHARED_ROLE = "CM050" "shared role" Warning,
        "Functions that share a role each have the rights of all of them.",
        "Give each function its own role.";
    UNUSED = "CM060" "unused permission" Warning,
        "The role was never seen using it, so it only serves who takes the role over.",
        "Remove it, or wait until everything the role is for has happened once.";
}
