//! How far the time of a signature may lie from the server's, a service: the option's spelling, AWS's values, the
//! names there are. What is done with a time beyond it is `casemate_sigv4`'s.

use casemate_kernel::Builder;

use crate::admin;

/// The widest there is, seconds, and what a service has for which nobody saw AWS's.
// AWS: 15 minutes, S3's `MaxAllowedSkewMilliseconds` of 900000; no service has been seen to take more.
const WIDEST_S: i64 = casemate_sigv4::SKEW_S;
/// What AWS documents "in most cases", seconds.
// AWS: five minutes, IAM User Guide, "Elements of an AWS API request signature".
const USUAL_S: i64 = 300;

/// Signing names and the seconds AWS's own services tolerate, as they say themselves when they refuse ("Signature
/// expired: … (… - 5 min.)"). Where nobody wrote down such an answer the widest is kept: it refuses no client of AWS.
const SERVICES: &[(&str, i64)] = &[
    (admin::SERVICE, WIDEST_S),
    ("apigateway", WIDEST_S),
    // AWS: 5 minutes for CloudFormation, boto/botocore issue 149.
    ("cloudformation", USUAL_S),
    ("cognito-idp", WIDEST_S),
    // AWS: 15 minutes for DynamoDB, praetorian-inc/chariot-ui issue 453 and aws/aws-sdk-js issue 2565.
    ("dynamodb", WIDEST_S),
    // AWS: 5 minutes for calls of deployed APIs, aws-amplify/amplify-js issue 7913.
    ("execute-api", USUAL_S),
    ("iam", WIDEST_S),
    // AWS: 5 minutes for KMS, aws/aws-sdk-js issue 2340.
    ("kms", USUAL_S),
    // AWS: 5 minutes for Lambda, aws/aws-cli issue 4600 and aws/aws-sdk-js issue 2598.
    ("lambda", USUAL_S),
    // AWS: 5 minutes for CloudWatch Logs, bradgignac/logspout-cloudwatch issue 24.
    ("logs", USUAL_S),
    ("organizations", WIDEST_S),
    // AWS: 15 minutes for STS, aws/aws-cli issue 6676.
    ("sts", WIDEST_S),
];

/// One value of `--max-clock-skew`: `300`, `5m`, `lambda=5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The signing name; for all services that are not named, if there is none.
    pub service: Option<&'static str>,
    /// Seconds, before and after, 1 to 900.
    pub seconds: i64,
}

impl Setting {
    /// Reads one value. What no service is called is refused, as is a wider window than AWS's widest.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (service, duration) = match text.split_once('=') {
            None => (None, text),
            Some((name, duration)) => (Some(known(name)?), duration),
        };
        let seconds = seconds(duration).filter(|seconds| (1..=WIDEST_S).contains(seconds));
        let seconds =
            seconds.ok_or_else(|| format!("not a time from 1s to {WIDEST_S}s, e.g. 300, 300s or 5m"))?;
        Ok(Self { service, seconds })
    }
}

/// Tells the kernel. Of several settings for the same the last counts; a setting for all replaces AWS's values, not
/// those for one service.
pub fn apply(builder: Builder, settings: &[Setting]) -> Builder {
    // A service that is not listed here is held to it as well.
    let builder = match everywhere(settings) {
        Some(seconds) => builder.max_clock_skew(seconds),
        None => builder,
    };
    in_force(settings).fold(builder, |builder, (name, seconds)| builder.max_clock_skew_of(name, seconds))
}

fn in_force(settings: &[Setting]) -> impl Iterator<Item = (&'static str, i64)> {
    let everywhere = everywhere(settings);
    SERVICES
        .iter()
        .map(move |(name, usual)| (*name, last(settings, Some(*name)).or(everywhere).unwrap_or(*usual)))
}

fn everywhere(settings: &[Setting]) -> Option<i64> {
    last(settings, None)
}

fn last(settings: &[Setting], service: Option<&str>) -> Option<i64> {
    settings.iter().rev().find(|setting| setting.service == service).map(|found| found.seconds)
}

fn known(name: &str) -> Result<&'static str, String> {
    let found = SERVICES.iter().map(|(known, _)| *known).find(|known| *known == name);
    found.ok_or_else(|| {
        let names: Vec<_> = SERVICES.iter().map(|(known, _)| *known).collect();
        format!("no service signs as `{name}`; there are {}", names.join(", "))
    })
}

fn seconds(text: &str) -> Option<i64> {
    let (digits, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    // Not `parse` alone: it takes a sign.
    let number: i64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_for_all_or_for_one_service() {
        let of = |text| Setting::parse(text).unwrap();
        assert_eq!(of("300"), Setting { service: None, seconds: 300 });
        assert_eq!(of("5m"), Setting { service: None, seconds: 300 });
        assert_eq!(of("1s"), Setting { service: None, seconds: 1 });
        assert_eq!(of("lambda=15m"), Setting { service: Some("lambda"), seconds: 900 });
        assert_eq!(of("execute-api=900"), Setting { service: Some("execute-api"), seconds: 900 });
    }

    #[test]
    fn one_service_goes_before_all_and_all_before_what_aws_has() {
        let of = |settings: &[&str], service| {
            let settings: Vec<_> = settings.iter().map(|text| Setting::parse(text).unwrap()).collect();
            in_force(&settings).find(|(name, _)| *name == service).unwrap().1
        };
        assert_eq!((of(&[], "lambda"), of(&[], "sts")), (300, 900));
        assert_eq!((of(&["10"], "lambda"), of(&["10"], "sts")), (10, 10));
        for order in [["sts=60", "10"], ["10", "sts=60"]] {
            assert_eq!((of(&order, "lambda"), of(&order, "sts")), (10, 60), "{order:?}");
        }
        assert_eq!(of(&["sts=60", "sts=20"], "sts"), 20);
    }

    #[test]
    fn every_service_of_the_catalog_is_listed() {
        let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
        let files =
            std::fs::read_dir(models).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let names: Vec<_> =
            files.filter_map(|file| Some(file.strip_suffix(".json")?.replace('_', "-"))).collect();
        assert!(names.len() >= 9, "{names:?}");
        for name in names {
            assert!(known(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_too_wide_no_time_or_no_service_is_refused() {
        for text in [
            "",
            "0",
            "0m",
            "901",
            "16m",
            "-5",
            "+5",
            "5h",
            "m",
            "5 m",
            "1.5m",
            "lambda",
            "lambda=",
            "lambda=901",
            "lambda=0",
            "=5m",
            "lamda=5m",
            "Lambda=5m",
            "s3=5m",
            "lambda=5m=5m",
            "999999999999999999m",
        ] {
            assert!(Setting::parse(text).is_err(), "{text:?}");
        }
        assert!(Setting::parse("lamda=5m").unwrap_err().contains("cognito-idp, dynamodb"));
    }
}
