//! Whatever is sent without credentials, nothing is changed by it and every request leaves exactly one record.

use casemate_testkit::Request;
use http::Method;
use proptest::prelude::*;

use crate::worlds::everything;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn unsigned_bytes_change_nothing(
        requests in proptest::collection::vec((
            "GET|POST|PUT|DELETE|PATCH|HEAD|OPTIONS",
            "/([a-zA-Z0-9._~%/-]{0,20})(\\?(Action|X-Amz-Signature|Version|x)=[a-zA-Z0-9%]{0,20}){0,2}",
            proptest::option::of("(AWSCognitoIdentityProviderService|DynamoDB_20120810|Logs_20140328|x)\\.[A-Za-z]{1,20}"),
            proptest::option::of("(AWS4-HMAC-SHA256|Bearer|Basic) [ -~]{0,80}"),
            "(\\{[ -~]{0,60}\\})|(Action=(AssumeRole|CreateUser|GetCallerIdentity|[A-Za-z]{1,20})&[ -~]{0,60})|[ -~]{0,60}",
        ), 1..20)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = everything();
            let before = world.digest();
            for (number, (method, target, amz_target, authorization, body)) in requests.iter().enumerate() {
                if target.parse::<http::Uri>().is_err() {
                    continue;
                }
                let seen = world.audit.len();
                let mut request = Request::new(Method::from_bytes(method.as_bytes()).unwrap(), target).body(body.clone());
                if let Some(value) = amz_target {
                    request = request.header("x-amz-target", value).header("content-type", "application/x-amz-json-1.1");
                }
                if let Some(value) = authorization {
                    request = request.header("authorization", value);
                }
                let answer = world.send(&request).await;
                assert!(!answer.status.is_server_error(), "{number}: {request:?}: {}", answer.text());
                assert_eq!(world.audit.len(), seen + 1, "{request:?}");
            }
            assert_eq!(world.digest(), before);
        });
    }
}
