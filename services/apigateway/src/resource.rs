//! ARNs of the control plane, and what they point to.

use casemate_names::{Arn, Scope};

/// `arn:aws:apigateway:region::/restapis/…`. These ARNs name no account: every caller acts on its own.
pub(crate) fn arn(scope: &Scope, path: &str) -> Arn {
    Arn::from_parts([&scope.partition, "apigateway", scope.region.as_str(), "", path])
}

/// What carries tags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tagged<'a> {
    /// `/restapis/{api}`
    RestApi(&'a str),
    /// `/restapis/{api}/stages/{stage}`
    Stage(&'a str, &'a str),
}

/// What the ARN points to, if that can have tags.
pub(crate) fn tagged<'a>(scope: &Scope, arn: &'a Arn) -> Option<Tagged<'a>> {
    let own = arn.partition() == scope.partition && arn.region() == scope.region.as_str();
    if !own || arn.service() != "apigateway" || !arn.account().is_empty() {
        return None;
    }
    let parts: Vec<&str> = arn.resource().strip_prefix("/restapis/")?.split('/').collect();
    match parts.as_slice() {
        [api] if !api.is_empty() => Some(Tagged::RestApi(api)),
        [api, "stages", stage] if !api.is_empty() && !stage.is_empty() => Some(Tagged::Stage(api, stage)),
        _ => None,
    }
}

/// The API whose tags bear on anything under it.
pub(crate) fn api_of(arn: &Arn) -> Option<&str> {
    arn.resource().strip_prefix("/restapis/")?.split('/').next().filter(|id| !id.is_empty())
}

/// The function in an integration's URI.
// AWS: `arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{functionArn}/invocations`.
pub(crate) fn function_of(uri: &str) -> Option<Arn> {
    let (prefix, rest) = uri.split_once(":lambda:path/2015-03-31/functions/")?;
    let mut parts = prefix.split(':');
    let is_gateway =
        parts.next() == Some("arn") && parts.next().is_some() && parts.next() == Some("apigateway");
    let function = Arn::parse(rest.strip_suffix("/invocations")?).ok()?;
    (is_gateway && function.service() == "lambda" && function.resource().starts_with("function:"))
        .then_some(function)
}

#[cfg(test)]
mod tests {
    use casemate_names::{AccountId, Region};

    use super::*;

    fn scope() -> Scope {
        Scope {
            partition: "aws".into(),
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        }
    }

    #[test]
    fn apis_and_stages_carry_tags_and_nothing_else_does() {
        let of = |path: &str| Arn::parse(&format!("arn:aws:apigateway:us-east-1::{path}")).unwrap();
        assert_eq!(tagged(&scope(), &of("/restapis/a")), Some(Tagged::RestApi("a")));
        assert_eq!(tagged(&scope(), &of("/restapis/a/stages/s")), Some(Tagged::Stage("a", "s")));
        for path in [
            "/restapis/",
            "/restapis/a/stages",
            "/restapis/a/resources/r",
            "/apis/a",
            "/restapis/a/stages/s/x",
        ] {
            assert_eq!(tagged(&scope(), &of(path)), None, "{path}");
        }
        for arn in [
            "arn:aws:apigateway:eu-west-1::/restapis/a",
            "arn:aws:apigateway:us-east-1:123456789012:/restapis/a",
            "arn:aws:lambda:us-east-1::/restapis/a",
        ] {
            assert_eq!(tagged(&scope(), &Arn::parse(arn).unwrap()), None, "{arn}");
        }
    }

    #[test]
    fn only_functions_are_integrated_with() {
        let function = "arn:aws:lambda:us-east-1:123456789012:function:f";
        let uri = |inner: &str| {
            format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{inner}/invocations")
        };
        assert_eq!(function_of(&uri(function)).unwrap().as_str(), function);
        for bad in [
            uri("f"),
            uri("arn:aws:s3:::bucket"),
            uri("arn:aws:lambda:us-east-1:123456789012:layer:l"),
            function.to_owned(),
            "arn:aws:apigateway:us-east-1:s3:path/x".to_owned(),
            uri(function).replace("/invocations", ""),
        ] {
            assert_eq!(function_of(&bad), None, "{bad}");
        }
    }
}
