//! The grammar of policy documents, strictly: what it does not know, it refuses.

use std::collections::BTreeSet;

use crate::{
    Effect, Kind, Name, Policy, PolicyError, Problem,
    action::{ActionPattern, InvalidAction},
    arn::{ArnPattern, InvalidPattern},
    condition::Condition,
    json::Json,
    operator::Operator,
    principal::{Named, Whom},
    statement::{ResourcePattern, Selection, Statement},
};

/// What a trust policy may speak of.
// AWS: IAM User Guide, "Trust policies"; anything else is refused, wildcards too.
const TRUST_ACTIONS: [&str; 6] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:TagSession",
    "sts:SetSourceIdentity",
    "sts:SetContext",
];

type Fields = [(String, Json)];

/// How the grammar differs between kinds.
#[derive(Clone, Copy)]
struct Rules {
    kind: Kind,
    /// Policy variables exist.
    variables: bool,
}

/// Parses a whole document into compiled statements.
pub(crate) fn document(text: &str, kind: Kind) -> Result<Vec<Statement>, PolicyError> {
    if text.len() > Policy::LENGTH_MAX {
        return Err(PolicyError::new(Problem::TooLarge { limit: Policy::LENGTH_MAX }, ""));
    }
    let tree = Json::parse(text).ok_or_else(|| PolicyError::new(not_json(kind), ""))?;
    let Json::Object(fields) = &tree else { return Err(syntax("")) };
    only(fields, &["Version", "Id", "Statement"], "")?;
    if !matches!(field(fields, "Id"), None | Some(Json::Text(_))) {
        return Err(syntax("Id"));
    }
    // AWS: without a version a document is of 2008-10-17, which has no policy variables.
    let variables = match field(fields, "Version") {
        Some(Json::Text(version)) if version == "2012-10-17" => true,
        Some(Json::Text(version)) if version == "2008-10-17" => false,
        None => false,
        Some(_) => return Err(syntax("Version")),
    };
    let statements = match field(fields, "Statement") {
        Some(list @ (Json::Object(_) | Json::List(_))) => list.one_or_many(),
        Some(_) | None => return Err(syntax("Statement")),
    };
    if statements.is_empty() {
        return Err(syntax("Statement"));
    }
    if !variables && needs_new_version(kind) {
        return Err(PolicyError::new(Problem::Version, "Version"));
    }
    let rules = Rules { kind, variables };
    let mut sids = BTreeSet::new();
    let mut compiled = Vec::with_capacity(statements.len());
    for (at, tree) in statements.iter().enumerate() {
        let place = format!("Statement[{at}]");
        let statement = rules.statement(at, tree, &place)?;
        if let Some(sid) = statement.sid.as_ref().filter(|sid| !sid.is_empty())
            && !sids.insert(sid.clone())
            && kind != Kind::Authorizer
        {
            return Err(PolicyError::new(Problem::SidRepeated, place));
        }
        compiled.push(statement);
    }
    Ok(compiled)
}

fn not_json(kind: Kind) -> Problem {
    match kind {
        Kind::Trust | Kind::Resource | Kind::ResourceControl | Kind::Authorizer => Problem::Json,
        Kind::Identity | Kind::Boundary | Kind::Session | Kind::ServiceControl => Problem::Syntax,
    }
}

fn needs_new_version(kind: Kind) -> bool {
    match kind {
        Kind::Identity | Kind::Boundary | Kind::Session | Kind::ServiceControl | Kind::ResourceControl => {
            true
        }
        Kind::Resource | Kind::Trust | Kind::Authorizer => false,
    }
}

impl Rules {
    fn statement(self, at: usize, tree: &Json, place: &str) -> Result<Statement, PolicyError> {
        let Json::Object(fields) = tree else { return Err(syntax(place)) };
        let known = [
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        only(fields, &known, place)?;
        let effect = match field(fields, "Effect") {
            Some(Json::Text(effect)) if effect == "Allow" => Effect::Allow,
            Some(Json::Text(effect)) if effect == "Deny" => Effect::Deny,
            Some(_) | None => return Err(syntax(&format!("{place}.Effect"))),
        };
        if self.kind == Kind::ResourceControl && effect == Effect::Allow {
            return Err(PolicyError::new(Problem::AllowInResourceControl, place));
        }
        Ok(Statement {
            at,
            sid: self.sid(fields, place)?,
            effect,
            whom: self.whom(fields, effect, place)?,
            actions: self.actions(fields, place)?,
            resources: self.resources(fields, place)?,
            conditions: self.conditions(fields, place)?,
        })
    }

    fn sid(self, fields: &Fields, place: &str) -> Result<Option<Name>, PolicyError> {
        let sid = match field(fields, "Sid") {
            None => return Ok(None),
            Some(Json::Text(sid)) => sid,
            Some(_) => return Err(syntax(&format!("{place}.Sid"))),
        };
        // AWS: resource policies of some services also take other characters in a Sid.
        let strict = match self.kind {
            Kind::Identity | Kind::Boundary | Kind::Session | Kind::Trust => true,
            Kind::Resource | Kind::ServiceControl | Kind::ResourceControl | Kind::Authorizer => false,
        };
        if strict && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(PolicyError::new(Problem::SidCharacters, format!("{place}.Sid")));
        }
        Ok(Some(sid.as_str().into()))
    }

    fn whom(self, fields: &Fields, effect: Effect, place: &str) -> Result<Whom, PolicyError> {
        let given = one_of(fields, "Principal", "NotPrincipal", place)?;
        let fail = |problem| Err(PolicyError::new(problem, place));
        let wanted = match self.kind {
            Kind::Resource | Kind::Trust | Kind::ResourceControl => true,
            Kind::Identity | Kind::Boundary | Kind::Session | Kind::ServiceControl | Kind::Authorizer => {
                false
            }
        };
        let (tree, inverted) = match given {
            None if wanted => return fail(Problem::MissingField("Principal")),
            None => return Ok(Whom::Attached),
            Some(_) if !wanted => return fail(Problem::PrincipalForbidden),
            Some(given) => given,
        };
        if inverted && self.kind != Kind::Resource {
            return fail(Problem::ProhibitedField("NotPrincipal"));
        }
        if inverted && effect == Effect::Allow {
            return fail(Problem::AllowWithNotPrincipal);
        }
        let named = principals(tree, place)?;
        if self.kind == Kind::ResourceControl && named != [Named::Anyone] {
            return fail(Problem::InvalidPrincipal { kind: "AWS".to_owned(), value: String::new() });
        }
        Ok(if inverted { Whom::AllBut(named) } else { Whom::Listed(named) })
    }

    fn actions(self, fields: &Fields, place: &str) -> Result<Selection<ActionPattern>, PolicyError> {
        let none = || PolicyError::new(Problem::NoActions, place);
        let missing = match self.kind {
            Kind::Trust => PolicyError::new(Problem::MissingField("Action"), place),
            _ => none(),
        };
        let (tree, inverted) = one_of(fields, "Action", "NotAction", place)?.ok_or(missing)?;
        let texts = texts(tree, &format!("{place}.Action"))?;
        if texts.is_empty() {
            return Err(none());
        }
        let is_trust_action =
            |text: &&str| TRUST_ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(text));
        if self.kind == Kind::Trust && (inverted || !texts.iter().all(is_trust_action)) {
            return Err(PolicyError::new(Problem::NotAssumeRole, place));
        }
        let patterns = texts.iter().map(|text| ActionPattern::parse(text)).collect::<Result<_, _>>();
        let patterns = patterns.map_err(|why| {
            let problem = match why {
                InvalidAction::NoService => Problem::ActionWithoutVendor,
                InvalidAction::Colons => Problem::ActionColons,
            };
            PolicyError::new(problem, format!("{place}.Action"))
        })?;
        Ok(Selection { patterns, inverted })
    }

    fn resources(
        self,
        fields: &Fields,
        place: &str,
    ) -> Result<Option<Selection<ResourcePattern>>, PolicyError> {
        let given = one_of(fields, "Resource", "NotResource", place)?;
        let (tree, inverted) = match given {
            None if self.kind == Kind::Trust => return Ok(None),
            None => return Err(PolicyError::new(Problem::NoResources, place)),
            Some(_) if self.kind == Kind::Trust => {
                return Err(PolicyError::new(Problem::ProhibitedField("Resource"), place));
            }
            Some(given) => given,
        };
        let texts = texts(tree, &format!("{place}.Resource"))?;
        if texts.is_empty() {
            return Err(PolicyError::new(Problem::NoResources, place));
        }
        let patterns = texts.iter().map(|text| self.resource(text, place)).collect::<Result<_, _>>()?;
        Ok(Some(Selection { patterns, inverted }))
    }

    fn resource(self, text: &str, place: &str) -> Result<ResourcePattern, PolicyError> {
        if text == "*" {
            return Ok(ResourcePattern::Everything);
        }
        let pattern = ArnPattern::resource(text, self.variables);
        pattern.map(|pattern| ResourcePattern::Arn(Box::new(pattern))).map_err(|why| {
            let problem = match why {
                InvalidPattern::NotAnArn => Problem::NotAnArn(text.to_owned()),
                InvalidPattern::WildcardService => Problem::WildcardVendor,
                InvalidPattern::Variable => Problem::VariableInArnPrefix(text.to_owned()),
            };
            PolicyError::new(problem, format!("{place}.Resource"))
        })
    }

    fn conditions(self, fields: &Fields, place: &str) -> Result<Vec<Condition>, PolicyError> {
        let place = format!("{place}.Condition");
        let operators = match field(fields, "Condition") {
            None => return Ok(Vec::new()),
            Some(Json::Object(operators)) => operators,
            Some(_) => return Err(syntax(&place)),
        };
        let mut conditions = Vec::new();
        for (name, keys) in operators {
            let place = format!("{place}.{name}");
            let operator = Operator::parse(name).ok_or_else(|| syntax(&place))?;
            let Json::Object(keys) = keys else { return Err(syntax(&place)) };
            for (key, values) in keys {
                if key.is_empty() {
                    return Err(syntax(&place));
                }
                let values = scalars(values).ok_or_else(|| syntax(&format!("{place}.{key}")))?;
                conditions.push(Condition::new(operator, key, &values, self.variables));
            }
        }
        Ok(conditions)
    }
}

fn principals(tree: &Json, place: &str) -> Result<Vec<Named>, PolicyError> {
    let kinds = match tree {
        Json::Text(text) if text == "*" => return Ok(vec![Named::Anyone]),
        Json::Object(kinds) if !kinds.is_empty() => kinds,
        _ => return Err(syntax(&format!("{place}.Principal"))),
    };
    let mut named = Vec::new();
    for (kind, values) in kinds {
        let values = texts(values, &format!("{place}.Principal"))?;
        if values.is_empty() {
            return Err(syntax(&format!("{place}.Principal")));
        }
        for value in values {
            named.push(Named::parse(kind, value).ok_or_else(|| {
                let problem = Problem::InvalidPrincipal { kind: kind.clone(), value: value.to_owned() };
                PolicyError::new(problem, format!("{place}.Principal"))
            })?);
        }
    }
    Ok(named)
}

/// A string or a list of strings.
fn texts<'a>(tree: &'a Json, place: &str) -> Result<Vec<&'a str>, PolicyError> {
    tree.one_or_many()
        .iter()
        .map(|item| match item {
            Json::Text(text) => Ok(text.as_str()),
            _ => Err(syntax(place)),
        })
        .collect()
}

/// Condition values: strings, numbers and booleans, as text.
fn scalars(tree: &Json) -> Option<Vec<String>> {
    tree.one_or_many()
        .iter()
        .map(|item| match item {
            Json::Text(text) | Json::Number(text) => Some(text.clone()),
            Json::Bool(value) => Some(value.to_string()),
            Json::Null | Json::List(_) | Json::Object(_) => None,
        })
        .collect()
}

/// At most one of an element and its inverse; `true` for the inverse.
fn one_of<'a>(
    fields: &'a Fields,
    plain: &str,
    inverse: &str,
    place: &str,
) -> Result<Option<(&'a Json, bool)>, PolicyError> {
    match (field(fields, plain), field(fields, inverse)) {
        (Some(_), Some(_)) => Err(syntax(&format!("{place}.{inverse}"))),
        (Some(tree), None) => Ok(Some((tree, false))),
        (None, Some(tree)) => Ok(Some((tree, true))),
        (None, None) => Ok(None),
    }
}

fn only(fields: &Fields, known: &[&str], place: &str) -> Result<(), PolicyError> {
    match fields.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(syntax(&format!("{place}.{name}"))),
        None => Ok(()),
    }
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a Json> {
    fields.iter().find(|(known, _)| known == name).map(|(_, tree)| tree)
}

fn syntax(place: &str) -> PolicyError {
    PolicyError::new(Problem::Syntax, place)
}
