//! ARNs of functions, and the many ways in which requests name one.

use casemate_kernel::{Caller, Env};
use casemate_names::{AccountId, Arn, Region, Scope};
use casemate_store::Key;

use crate::{api::Error, refusal, version::Version};

/// The version that changes.
pub(crate) const LATEST: &str = "$LATEST";

/// A function as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionRef {
    /// Whose, and where.
    pub(crate) scope: Scope,
    /// Its name, or whatever was sent in its place.
    pub(crate) name: String,
    /// The version or alias asked for.
    pub(crate) qualifier: Option<String>,
    /// Name and parameter ask for different versions.
    contradictory: bool,
}

impl FunctionRef {
    /// Reads `name`, `name:qualifier`, `account:function:name`, `region:account:function:name` and whole ARNs.
    // AWS: the forms of `FunctionName` in the API reference of Invoke, and its pattern in the model.
    pub(crate) fn parse(text: &str, qualifier: Option<&str>, env: &Env, caller: &Caller) -> Self {
        let home = caller.account().map_or_else(|| env.site.scope.clone(), |account| env.scope_of(&account));
        Self::within(text, qualifier, home)
    }

    /// The same, with the scope that holds for parts which are not written.
    pub(crate) fn within(text: &str, qualifier: Option<&str>, mut scope: Scope) -> Self {
        let mut parts = text.split(':').peekable();
        if parts.next_if_eq(&"arn").is_some() {
            if let Some(partition) = parts.next() {
                partition.clone_into(&mut scope.partition);
            }
            parts.next_if_eq(&"lambda");
        }
        if let Some(region) = parts.next_if(|part| is_region(part)).and_then(|part| Region::parse(part).ok())
        {
            scope.region = region;
        }
        if let Some(account) =
            parts.next_if(|part| is_account(part)).and_then(|part| AccountId::parse(part).ok())
        {
            scope.account = account;
        }
        // A function may be called "function": the word is only a keyword when something follows.
        let mut name = parts.next().unwrap_or_default();
        if name == "function"
            && let Some(next) = parts.next()
        {
            name = next;
        }
        let own = parts.next();
        let contradictory =
            parts.next().is_some() || matches!((own, qualifier), (Some(a), Some(b)) if a != b);
        Self { scope, name: name.to_owned(), qualifier: own.or(qualifier).map(str::to_owned), contradictory }
    }

    /// The function an ARN names; `None` for ARNs of anything else.
    pub(crate) fn of_arn(arn: &Arn) -> Option<Self> {
        if arn.service() != "lambda" {
            return None;
        }
        let mut parts = arn.resource().split(':');
        let (Some("function"), Some(name)) = (parts.next(), parts.next()) else { return None };
        let scope = Scope {
            partition: arn.partition().to_owned(),
            account: arn.account_id()?,
            region: Region::parse(arn.region()).ok()?,
        };
        Some(Self {
            scope,
            name: name.to_owned(),
            qualifier: parts.next().map(str::to_owned),
            contradictory: parts.next().is_some(),
        })
    }

    /// Refuses what leads nowhere: another region, two qualifiers.
    pub(crate) fn check(&self, env: &Env) -> Result<(), Error> {
        let here = env.site.scope.region.as_str();
        if self.scope.region.as_str() != here {
            // AWS: text as the service words it.
            return Err(Error::resource_not_found_exception(format!(
                "Functions from '{}' are not reachable in this region ('{here}')",
                self.scope.region.as_str()
            )));
        }
        if self.contradictory {
            // AWS: text as the service words it.
            return Err(Error::invalid_parameter_value_exception(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        Ok(())
    }

    /// [`Self::check`], and refuses versions and aliases: for operations on the function as such.
    pub(crate) fn check_unqualified(&self, env: &Env) -> Result<(), Error> {
        self.check(env)?;
        if self.explicit().is_some() {
            return Err(refusal::qualified());
        }
        Ok(())
    }

    /// The version or alias, if it is not `$LATEST`.
    pub(crate) fn explicit(&self) -> Option<&str> {
        self.qualifier.as_deref().filter(|qualifier| *qualifier != LATEST)
    }

    /// The same function, with this qualifier.
    pub(crate) fn qualified_by(&self, qualifier: &str) -> Self {
        Self { qualifier: Some(qualifier.to_owned()), contradictory: false, ..self.clone() }
    }

    /// The unqualified ARN: what policies speak of.
    pub(crate) fn arn(&self) -> Arn {
        Arn::regional(&self.scope, "lambda", &format!("function:{}", self.name))
    }

    /// The ARN that was asked for. `$LATEST` is the unqualified function.
    pub(crate) fn requested_arn(&self) -> Arn {
        match self.explicit() {
            None => self.arn(),
            Some(qualifier) => {
                Arn::regional(&self.scope, "lambda", &format!("function:{}:{qualifier}", self.name))
            }
        }
    }

    /// The key of the function's rows.
    pub(crate) fn key(&self) -> Key {
        Key::of(&self.scope).text(&self.name)
    }

    /// The key of rows that the function, each of its versions and each of its aliases have for themselves.
    pub(crate) fn qualified_key(&self) -> Key {
        match self.explicit() {
            None => self.key(),
            Some(qualifier) => self.key().text(qualifier),
        }
    }
}

/// A layer as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerRef {
    /// Whose, and where.
    pub(crate) scope: Scope,
    /// Its name, or whatever was sent in its place.
    pub(crate) name: String,
}

impl LayerRef {
    /// Reads a name or an ARN without version.
    pub(crate) fn parse(text: &str, env: &Env, caller: &Caller) -> Self {
        let home = caller.account().map_or_else(|| env.site.scope.clone(), |account| env.scope_of(&account));
        match Arn::parse(text).ok().as_ref().and_then(Self::of_arn) {
            Some((at, _)) => at,
            None => Self { scope: home, name: text.to_owned() },
        }
    }

    /// The layer and the version an ARN names; `None` for ARNs of anything else.
    pub(crate) fn of_arn(arn: &Arn) -> Option<(Self, Option<u64>)> {
        if arn.service() != "lambda" {
            return None;
        }
        let mut parts = arn.resource().split(':');
        let (Some("layer"), Some(name)) = (parts.next(), parts.next()) else { return None };
        let number = match parts.next() {
            None => None,
            Some(text) => match Version::parse(text) {
                Some(Version::Published(number)) => Some(number),
                Some(Version::Latest) | None => return None,
            },
        };
        let scope = Scope {
            partition: arn.partition().to_owned(),
            account: arn.account_id()?,
            region: Region::parse(arn.region()).ok()?,
        };
        parts.next().is_none().then(|| (Self { scope, name: name.to_owned() }, number))
    }

    /// The layer version that the text of an ARN names.
    pub(crate) fn of_version_text(text: &str) -> Option<(Self, u64)> {
        let (at, number) = Self::of_arn(&Arn::parse(text).ok()?)?;
        Some((at, number?))
    }

    /// Refuses another region and what is no name.
    pub(crate) fn check(&self, env: &Env) -> Result<(), Error> {
        let here = env.site.scope.region.as_str();
        let named = !self.name.is_empty()
            && self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if self.scope.region.as_str() != here || !named {
            return Err(Error::invalid_parameter_value_exception(format!(
                "the layer {:?} is not one of this region ({here})",
                self.name
            )));
        }
        Ok(())
    }

    /// The layer's ARN.
    pub(crate) fn arn(&self) -> Arn {
        Arn::regional(&self.scope, "lambda", &format!("layer:{}", self.name))
    }

    /// The ARN of one of its versions, or of what was sent as its number.
    pub(crate) fn version_arn(&self, number: impl std::fmt::Display) -> Arn {
        Arn::regional(&self.scope, "lambda", &format!("layer:{}:{number}", self.name))
    }

    /// The key of the layer's rows.
    pub(crate) fn key(&self) -> Key {
        Key::of(&self.scope).text(&self.name)
    }

    /// The key of one version's rows.
    pub(crate) fn version_key(&self, number: u64) -> Key {
        self.key().number(number)
    }
}

/// What has an id that we give, instead of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    EventSourceMapping,
    CodeSigningConfig,
}

impl ObjectKind {
    const ALL: [Self; 2] = [Self::EventSourceMapping, Self::CodeSigningConfig];

    const fn shown(self) -> &'static str {
        match self {
            Self::EventSourceMapping => "event-source-mapping",
            Self::CodeSigningConfig => "code-signing-config",
        }
    }
}

/// Such a thing, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectRef {
    pub(crate) kind: ObjectKind,
    pub(crate) scope: Scope,
    /// Its id, or whatever was sent in its place.
    pub(crate) id: String,
}

impl ObjectRef {
    /// One of the caller's account, by its id.
    pub(crate) fn of_id(kind: ObjectKind, id: &str, env: &Env, caller: &Caller) -> Self {
        let scope = caller.account().map_or_else(|| env.site.scope.clone(), |account| env.scope_of(&account));
        Self { kind, scope, id: id.to_owned() }
    }

    /// The one an ARN names; `None` for ARNs of anything else.
    pub(crate) fn of_arn(arn: &Arn) -> Option<Self> {
        if arn.service() != "lambda" {
            return None;
        }
        let (kind, id) = arn.resource().split_once(':')?;
        let kind = ObjectKind::ALL.into_iter().find(|one| one.shown() == kind)?;
        let scope = Scope {
            partition: arn.partition().to_owned(),
            account: arn.account_id()?,
            region: Region::parse(arn.region()).ok()?,
        };
        (!id.is_empty() && !id.contains(':')).then(|| Self { kind, scope, id: id.to_owned() })
    }

    /// Its ARN.
    pub(crate) fn arn(&self) -> Arn {
        Arn::regional(&self.scope, "lambda", &format!("{}:{}", self.kind.shown(), self.id))
    }

    /// The key of its row among those of its kind.
    pub(crate) fn key(&self) -> Key {
        Key::of(&self.scope).text(&self.id)
    }
}

fn is_region(text: &str) -> bool {
    text.contains('-')
        && text.bytes().last().is_some_and(|byte| byte.is_ascii_digit())
        && text.len() <= 20
        && Region::parse(text).is_ok()
        && text.split('-').count() >= 3
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ARN of a function with a version or an alias.
pub(crate) fn qualified(function: &Arn, qualifier: &str) -> Arn {
    let resource = format!("{}:{qualifier}", function.resource());
    Arn::from_parts([
        function.partition(),
        function.service(),
        function.region(),
        function.account(),
        &resource,
    ])
}

/// Every function is stored below this.
pub(crate) fn functions_key(scope: &Scope) -> Key {
    Key::of(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Scope {
        Scope {
            partition: "aws".to_owned(),
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        }
    }

    fn arn(text: &str, qualifier: Option<&str>) -> String {
        FunctionRef::within(text, qualifier, home()).requested_arn().as_str().to_owned()
    }

    #[test]
    fn every_form_of_a_name_leads_to_the_same_function() {
        let expected = "arn:aws:lambda:us-east-1:123456789012:function:f";
        for text in [
            "f",
            "f:$LATEST",
            "function:f",
            "123456789012:function:f",
            "us-east-1:123456789012:function:f",
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
        ] {
            assert_eq!(arn(text, None), expected, "{text}");
        }
    }

    #[test]
    fn accounts_and_qualifiers_are_kept() {
        assert_eq!(
            arn("210987654321:function:f:prod", None),
            "arn:aws:lambda:us-east-1:210987654321:function:f:prod"
        );
        assert_eq!(arn("f", Some("3")), "arn:aws:lambda:us-east-1:123456789012:function:f:3");
        assert_eq!(arn("function", None), "arn:aws:lambda:us-east-1:123456789012:function:function");
    }

    #[test]
    fn two_different_qualifiers_contradict() {
        assert!(FunctionRef::within("f:1", Some("2"), home()).contradictory);
        assert!(!FunctionRef::within("f:1", Some("1"), home()).contradictory);
    }

    #[test]
    fn objects_are_found_by_their_arns_and_by_no_others() {
        let scope = home();
        for kind in ObjectKind::ALL {
            let object = ObjectRef { kind, scope: scope.clone(), id: "x-1".to_owned() };
            assert_eq!(ObjectRef::of_arn(&object.arn()), Some(object));
        }
        for text in ["function:f", "event-source-mapping:", "event-source-mapping:a:b", "code-signing-config"]
        {
            let arn = Arn::regional(&scope, "lambda", text);
            assert_eq!(ObjectRef::of_arn(&arn), None, "{text}");
        }
    }

    #[test]
    fn arns_of_other_things_are_no_functions() {
        for text in ["arn:aws:lambda:us-east-1:123456789012:layer:x", "arn:aws:s3:::function:x"] {
            assert_eq!(FunctionRef::of_arn(&Arn::parse(text).unwrap()), None);
        }
    }
}
