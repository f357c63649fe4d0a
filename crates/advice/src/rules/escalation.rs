//! Combinations of actions with which someone can become more than the policy says.

use super::at;
use crate::{
    document::{Condition, Document, Statement},
    finding::{ASSUME_ANY_ROLE, ESCALATION, Finding},
    glob::fits,
};

/// Actions that suffice alone, on resources that are not the caller's own.
// AWS: IAM User Guide, "Actions that IAM access analyzer classes as permissions management"; the methods as Rhino
// Security Labs published them in "AWS IAM Privilege Escalation".
const ALONE: [(&str, &str); 22] = [
    ("cloudformation:UpdateStack", "changes stacks that have a role, and anything with that role"),
    ("iam:AddUserToGroup", "joins a group with more rights"),
    ("iam:AttachGroupPolicy", "attaches any policy to a group"),
    ("iam:AttachRolePolicy", "attaches any policy to a role"),
    ("iam:AttachUserPolicy", "attaches any policy to a user"),
    ("iam:CreateAccessKey", "makes keys of other users"),
    ("iam:CreateLoginProfile", "makes passwords of other users"),
    ("iam:CreatePolicyVersion", "rewrites a policy it is subject to"),
    ("iam:CreateServiceSpecificCredential", "makes credentials of other users for single services"),
    ("iam:DeleteRolePermissionsBoundary", "takes a role's limits away"),
    ("iam:DeleteUserPermissionsBoundary", "takes a user's limits away"),
    ("iam:PutGroupPolicy", "writes a policy of a group"),
    ("iam:PutRolePolicy", "writes a policy of a role"),
    ("iam:PutUserPolicy", "writes a policy of a user"),
    ("iam:ResetServiceSpecificCredential", "changes credentials of other users for single services"),
    ("iam:SetDefaultPolicyVersion", "puts an older, wider version of a policy in force"),
    ("iam:UpdateAssumeRolePolicy", "lets itself into a role"),
    ("iam:UpdateLoginProfile", "changes passwords of other users"),
    ("kms:CreateGrant", "gives itself the use of a key"),
    ("kms:PutKeyPolicy", "rewrites who may use a key"),
    ("lambda:UpdateFunctionCode", "runs own code with the role of any function"),
    ("ssm:SendCommand", "runs commands with the role of any instance"),
];

/// Actions that suffice together, each on resources that are not the caller's own.
// AWS: CloudFormation User Guide, "CloudFormation service role": who may change a stack uses the stack's role without being
// allowed to pass it.
const TOGETHER: [(&[&str], &str); 1] = [(
    &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"],
    "changes stacks that have a role, and anything with that role",
)];

/// Actions that run something under a role that is passed to it.
const WITH_PASS_ROLE: [(&[&str], &str); 19] = [
    (&["lambda:CreateFunction", "lambda:InvokeFunction"], "runs own code in a new function"),
    (&["lambda:CreateFunction", "lambda:CreateEventSourceMapping"], "runs own code in a new function"),
    (&["lambda:CreateFunction", "lambda:AddPermission"], "runs own code in a new function"),
    (&["lambda:CreateFunction", "lambda:CreateFunctionUrlConfig"], "runs own code in a new function"),
    (&["lambda:UpdateFunctionConfiguration"], "gives a function another role"),
    (&["cloudformation:CreateStack"], "makes anything with a stack's role"),
    (&["cloudformation:UpdateStack"], "makes anything with a stack's role"),
    (
        &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"],
        "makes anything with a stack's role",
    ),
    (&["ec2:RunInstances"], "starts an instance with the role"),
    (&["ecs:RegisterTaskDefinition", "ecs:RunTask"], "runs a task with the role"),
    (&["events:PutTargets"], "has a rule start anything with the role"),
    (&["glue:CreateDevEndpoint"], "opens a development endpoint with the role"),
    (&["datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition"], "runs a pipeline with the role"),
    (&["codebuild:CreateProject", "codebuild:StartBuild"], "runs a build with the role"),
    (&["pipes:CreatePipe"], "has a pipe start anything with the role"),
    (&["scheduler:CreateSchedule"], "calls any operation with the role"),
    (&["scheduler:UpdateSchedule"], "calls any operation with the role"),
    (&["sagemaker:CreateNotebookInstance"], "opens a notebook with the role"),
    (&["states:CreateStateMachine", "states:StartExecution"], "runs a state machine with the role"),
];

/// Conditions that keep what is given within limits.
const LIMITS: [&str; 2] = ["iam:PermissionsBoundary", "iam:PolicyARN"];
/// The same for grants on keys: to whom, and that only a service may make them.
// AWS: KMS Developer Guide, "Using grant condition keys"; "Allow access to AWS services with kms:GrantIsForAWSResource".
const GRANT_LIMITS: [&str; 4] =
    ["kms:GrantIsForAWSResource", "kms:GranteePrincipal", "kms:GranteeServicePrincipal", "kms:ViaService"];
/// The same for stacks: which role, or which templates.
const STACK_LIMITS: [&str; 2] = ["cloudformation:RoleArn", "cloudformation:TemplateUrl"];

/// The conditions that limit an action.
fn limits(action: &str) -> &'static [&'static str] {
    match action {
        "kms:CreateGrant" => &GRANT_LIMITS,
        "kms:PutKeyPolicy" => &[],
        // Whose boundary may be taken away is no limit to whoever takes it away.
        action if action.starts_with("iam:Delete") => &[],
        action if action.starts_with("cloudformation:") => &STACK_LIMITS,
        _ => &LIMITS,
    }
}

pub(super) fn all(document: &Document) -> Vec<Finding> {
    let mut found = Vec::new();
    for (action, what) in ALONE {
        if let Some((_, statement)) = granting(&[document], action).next() {
            found.push(at(&ESCALATION, statement, format!("with {action} on any such resource one {what}")));
        }
    }
    for (actions, what) in TOGETHER {
        let each: Option<Vec<_>> =
            actions.iter().map(|action| granting(&[document], action).next()).collect();
        if let Some((_, statement)) = each.and_then(|each| each.into_iter().next()) {
            let text = format!("with {} on any such resource one {what}", actions.join(" and "));
            found.push(at(&ESCALATION, statement, text));
        }
    }
    for Combination { actions, what, pass: (_, pass), .. } in combinations(&[document]) {
        let text = format!("with iam:PassRole on any role and {} one {what}", actions.join(", "));
        found.push(at(&ESCALATION, pass, text));
    }
    if let Some((_, statement)) = granting(&[document], "sts:AssumeRole").next() {
        found.push(at(&ASSUME_ANY_ROLE, statement, "sts:AssumeRole is allowed on any role"));
    }
    found
}

/// The combinations that documents with these names have together and none of them has alone, each with the position of the
/// document that lets roles be passed. All of them bind the same principal.
pub(crate) fn across(documents: &[(&str, &Document)]) -> Vec<(usize, Finding)> {
    let together: Vec<&Document> = documents.iter().map(|(_, document)| *document).collect();
    let alone: Vec<Combination<'_>> =
        together.iter().flat_map(|document| combinations(&[*document])).collect();
    let mut found = combinations(&together);
    found.retain(|combination| alone.iter().all(|one| one.actions != combination.actions));
    let told = found.into_iter().map(|Combination { actions, what, pass: (passing, pass), by }| {
        let name = |at: usize| documents.get(at).map_or("", |(name, _)| *name);
        let parts: Vec<String> =
            actions.iter().zip(by).map(|(action, at)| format!("{action} of `{}`", name(at))).collect();
        let text = format!(
            "with iam:PassRole on any role of `{}` and {} one {what}",
            name(passing),
            parts.join(", ")
        );
        (passing, at(&ESCALATION, pass, text))
    });
    told.collect()
}

/// Actions that documents allow together, and a role that can be passed to what they run.
struct Combination<'d> {
    actions: &'static [&'static str],
    what: &'static str,
    /// The statement that lets roles be passed, and the position of its document.
    pass: (usize, &'d Statement),
    /// For each action the position of a document that allows it.
    by: Vec<usize>,
}

fn combinations<'d>(documents: &[&'d Document]) -> Vec<Combination<'d>> {
    let made = WITH_PASS_ROLE.iter().filter_map(|(actions, what)| {
        let service = actions.first().and_then(|action| action.split(':').next()).unwrap_or_default();
        let pass = granting(documents, "iam:PassRole").find(|(_, pass)| may_pass_to(pass, service))?;
        let allowing = |action: &&str| {
            documents.iter().position(|document| document.allows().any(|statement| allows(statement, action)))
        };
        let by = actions.iter().map(allowing).collect::<Option<Vec<usize>>>()?;
        Some(Combination { actions, what, pass, by })
    });
    made.collect()
}

/// The statements that allow an action on resources that are not named one by one, without limits and not denied again by
/// any of the documents. Each with the position of its document.
fn granting<'d>(documents: &[&'d Document], action: &str) -> impl Iterator<Item = (usize, &'d Statement)> {
    let denied = documents.iter().flat_map(|document| &document.statements).any(|deny| {
        !deny.allows
            && deny.conditions().is_empty()
            && deny.texts("Resource").contains(&"*")
            && deny.texts("Action").iter().any(|pattern| fits(pattern, action))
    });
    let limits = limits(action);
    let unlimited = |statement: &Statement| {
        allows(statement, action) && is_broad(statement) && !limits.iter().any(|key| statement.requires(key))
    };
    let found: Vec<(usize, &'d Statement)> = documents
        .iter()
        .enumerate()
        .flat_map(|(at, document)| document.allows().map(move |statement| (at, statement)))
        .filter(|(_, statement)| !denied && unlimited(statement))
        .collect();
    found.into_iter()
}

fn allows(statement: &Statement, action: &str) -> bool {
    let listed = |name: &str| statement.texts(name).iter().any(|pattern| fits(pattern, action));
    statement.allows && (listed("Action") || statement.has("NotAction") && !listed("NotAction"))
}

/// Whether a resource's own part has a star: `user/${aws:username}` is the caller itself.
fn is_broad(statement: &Statement) -> bool {
    let star = |arn: &&str| arn.splitn(6, ':').nth(5).unwrap_or(arn).replace("${*}", "").contains('*');
    statement.has("NotResource") || statement.texts("Resource").iter().any(star)
}

/// Whether the statement lets roles be passed to a service. The key is there whenever a role is passed, so that `IfExists`
/// and `ForAllValues` change nothing.
fn may_pass_to(statement: &Statement, service: &str) -> bool {
    let principal = match service {
        "ecs" => "ecs-tasks.amazonaws.com".to_owned(),
        service => format!("{service}.amazonaws.com"),
    };
    let admits = |condition: Condition<'_>| {
        let values = condition.texts();
        let exact = condition.comparison().contains("equals");
        let listed = values.iter().any(|value| {
            if exact { value.eq_ignore_ascii_case(&principal) } else { fits(value, &principal) }
        });
        // What a template has yet to fill in is taken for any service.
        values.is_empty() || listed != condition.is_negated()
    };
    let conditions = statement.conditions().into_iter();
    conditions
        .filter(|condition| condition.key.eq_ignore_ascii_case("iam:PassedToService") && !condition.is_null())
        .all(admits)
}
