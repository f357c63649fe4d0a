//! MFA devices, and what their codes are good for.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_names::Timestamp;
use casemate_testkit::{Credentials, Response};

use crate::scene::{ACCOUNT, ALLOW_ALL, Scene, credentials, refusal, role_arn, trust};

const WRONG: &str = "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.";
const NOT_THEIRS: &str = "AccessDenied: MultiFactorAuthentication failed, unable to validate MFA code.  Please verify \
                          your MFA serial number is valid and associated with this user.";

/// An authenticator app.
pub(crate) struct Phone {
    pub(crate) serial: String,
    seed: Vec<u8>,
}

impl Phone {
    /// The six digits shown at a moment.
    pub(crate) fn code(&self, at: Timestamp) -> String {
        let step = at.seconds().div_euclid(30);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.seed);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let at = usize::from(bytes.last().unwrap() & 15);
        let four = bytes.iter().skip(at).take(4);
        let number = four.fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

fn from_base32(text: &str) -> Vec<u8> {
    let value = |letter: u8| if letter.is_ascii_digit() { letter - b'2' + 26 } else { letter - b'A' };
    let bits: Vec<u8> =
        text.bytes().flat_map(|letter| (0..5).rev().map(move |bit| value(letter) >> bit & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

/// A device that nobody uses yet.
pub(crate) async fn device(scene: &Scene, name: &str) -> Phone {
    let made = scene.iam(&scene.root, "CreateVirtualMFADevice", &[("VirtualMFADeviceName", name)]).await;
    let seed = STANDARD.decode(made.element("Base32StringSeed").unwrap()).unwrap();
    let seed = String::from_utf8(seed).unwrap();
    assert_eq!(seed.len(), 64);
    Phone { serial: made.element("SerialNumber").unwrap(), seed: from_base32(&seed) }
}

/// A device of a user; its codes of the present and the next step are used up.
pub(crate) async fn enabled(scene: &Scene, user: &str, name: &str) -> Phone {
    let phone = device(scene, name).await;
    let now = scene.world.now();
    let members = [
        ("UserName", user),
        ("SerialNumber", &phone.serial),
        ("AuthenticationCode1", &phone.code(now.plus_seconds(-30))),
        ("AuthenticationCode2", &phone.code(now)),
    ];
    scene.iam(&scene.root, "EnableMFADevice", &members).await;
    phone
}

async fn assume(scene: &Scene, who: &Credentials, serial: &str, code: &str) -> Response {
    let arn = role_arn("r");
    let members = [
        ("RoleArn", arn.as_str()),
        ("RoleSessionName", "session"),
        ("SerialNumber", serial),
        ("TokenCode", code),
    ];
    scene.sts(who, "AssumeRole", &members).await
}

/// Ann with a phone, and a role that trusts her only with it.
async fn ann_and_role() -> (Scene, Credentials, Phone) {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, Some(ALLOW_ALL)).await;
    let with_mfa = trust(
        r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#,
        r#","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"60"}}"#,
    );
    let members = [("RoleName", "r"), ("PolicyDocument", with_mfa.as_str())];
    scene.iam(&scene.root, "UpdateAssumeRolePolicy", &members).await;
    let phone = enabled(&scene, "ann", "phone").await;
    (scene, ann, phone)
}

#[tokio::test]
async fn a_role_that_asks_for_mfa_is_assumed_with_a_fresh_code_only() {
    let (scene, ann, phone) = ann_and_role().await;
    let plain = scene.assume(&ann, "r", casemate_schema::Document::empty()).await;
    assert!(refusal(&plain).starts_with("AccessDenied: User: arn:aws:iam::123456789012:user/ann"));
    let used = phone.code(scene.world.now());
    assert_eq!(refusal(&assume(&scene, &ann, &phone.serial, &used).await).trim(), WRONG, "used to enable it");
    scene.world.clock.advance_seconds(30);
    let code = phone.code(scene.world.now());
    credentials(&assume(&scene, &ann, &phone.serial, &code).await);
    assert_eq!(refusal(&assume(&scene, &ann, &phone.serial, &code).await).trim(), WRONG, "replayed");
    scene.world.clock.advance_seconds(300);
    let old = phone.code(scene.world.now().plus_seconds(-90));
    assert_eq!(refusal(&assume(&scene, &ann, &phone.serial, &old).await).trim(), WRONG, "of another time");
}

#[tokio::test]
async fn another_users_device_a_missing_one_and_half_a_proof_are_refused() {
    let (scene, ann, phone) = ann_and_role().await;
    let bob = scene.user("bob", Some(ALLOW_ALL)).await;
    let members = [("RoleName", "r"), ("PolicyDocument", &trust(r#"{"AWS":"123456789012"}"#, ""))];
    scene.iam(&scene.root, "UpdateAssumeRolePolicy", &members).await;
    scene.world.clock.advance_seconds(60);
    let code = phone.code(scene.world.now());
    assert_eq!(refusal(&assume(&scene, &bob, &phone.serial, &code).await), NOT_THEIRS);
    let missing = format!("arn:aws:iam::{ACCOUNT}:mfa/missing");
    assert_eq!(refusal(&assume(&scene, &ann, &missing, &code).await), NOT_THEIRS);
    assert_eq!(refusal(&assume(&scene, &ann, "phone-1234567890", &code).await), NOT_THEIRS);
    let half = scene.sts(&ann, "GetSessionToken", &[("SerialNumber", &phone.serial)]).await;
    assert!(refusal(&half).ends_with("must provide both MFA serial number and one time pass code."));
    let members = [("SerialNumber", phone.serial.as_str()), ("TokenCode", code.as_str())];
    let nobody = refusal(&scene.unsigned("GetSessionToken", &members).await);
    assert!(nobody.starts_with("MissingAuthenticationToken: "), "{nobody}");
    let unassigned = device(&scene, "spare").await;
    let code = unassigned.code(scene.world.now());
    assert_eq!(refusal(&assume(&scene, &ann, &unassigned.serial, &code).await), NOT_THEIRS);
}

#[tokio::test]
async fn a_deactivated_device_proves_nothing_and_a_namesake_inherits_none() {
    let (scene, ann, phone) = ann_and_role().await;
    let in_use =
        scene.refused(&scene.root, "DeleteVirtualMFADevice", &[("SerialNumber", &phone.serial)]).await;
    assert_eq!(in_use, "DeleteConflict: MFA VirtualDevice in use. Must deactivate first.");
    let key = scene.iam(&scene.root, "ListAccessKeys", &[("UserName", "ann")]).await;
    let key = key.element("AccessKeyId").unwrap();
    let members = [("UserName", "ann"), ("AccessKeyId", key.as_str())];
    scene.iam(&scene.root, "DeleteAccessKey", &members).await;
    let holds = scene.refused(&scene.root, "DeleteUser", &[("UserName", "ann")]).await;
    assert!(holds.starts_with("DeleteConflict: "), "{holds}");
    let members = [("UserName", "ann"), ("SerialNumber", phone.serial.as_str())];
    scene.iam(&scene.root, "DeactivateMFADevice", &members).await;
    let twice = scene.refused(&scene.root, "DeactivateMFADevice", &members).await;
    assert_eq!(twice, "NoSuchEntity: MFA Device invalid for user.");
    drop(ann);
    let ann = scene.key("ann").await;
    scene.world.clock.advance_seconds(60);
    let code = phone.code(scene.world.now());
    assert_eq!(refusal(&assume(&scene, &ann, &phone.serial, &code).await), NOT_THEIRS);
    scene.iam(&scene.root, "DeleteVirtualMFADevice", &[("SerialNumber", &phone.serial)]).await;
}

#[tokio::test]
async fn enabling_takes_two_consecutive_codes_of_a_free_device() {
    let scene = Scene::new().await;
    for user in ["ann", "bob"] {
        scene.iam(&scene.root, "CreateUser", &[("UserName", user)]).await;
    }
    let phone = device(&scene, "phone").await;
    let now = scene.world.now();
    let code = |steps: i64| phone.code(now.plus_seconds(steps * 30));
    let enable = async |user: &str, first: String, second: String| {
        let members = [
            ("UserName", user),
            ("SerialNumber", phone.serial.as_str()),
            ("AuthenticationCode1", first.as_str()),
            ("AuthenticationCode2", second.as_str()),
        ];
        scene.tried(&scene.root, "EnableMFADevice", &members).await
    };
    for (first, second) in [(0, 0), (0, 2), (1, 0), (100, 101)] {
        let refused = refusal(&enable("ann", code(first), code(second)).await);
        assert_eq!(refused, "InvalidAuthenticationCode: Authentication code for device is not valid.");
    }
    assert_eq!(enable("ann", code(0), code(1)).await.status, 200);
    assert!(refusal(&enable("bob", code(2), code(3)).await).starts_with("EntityAlreadyExists: "));
    let listed = scene.iam(&scene.root, "ListMFADevices", &[("UserName", "ann")]).await;
    assert_eq!(listed.element("SerialNumber").unwrap(), phone.serial);
    let shown =
        scene.iam(&scene.root, "GetMFADevice", &[("SerialNumber", &phone.serial), ("UserName", "ann")]).await;
    assert_eq!(shown.element("EnableDate").unwrap(), now.iso8601());
    let all = scene.iam(&scene.root, "ListVirtualMFADevices", &[("AssignmentStatus", "Assigned")]).await;
    assert_eq!(all.element("UserName").unwrap(), "ann");
    assert!(!all.text().contains("Seed"), "a seed is told once");
    let none = scene.iam(&scene.root, "ListVirtualMFADevices", &[("AssignmentStatus", "Unassigned")]).await;
    assert!(none.element("SerialNumber").is_none());
    let members = [
        ("UserName", "ann"),
        ("SerialNumber", phone.serial.as_str()),
        ("AuthenticationCode1", &code(10)),
        ("AuthenticationCode2", &code(11)),
    ];
    scene.iam(&scene.root, "ResyncMFADevice", &members).await;
    let again =
        scene.refused(&scene.root, "CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]).await;
    assert_eq!(again, "EntityAlreadyExists: MFADevice entity at the same path and name already exists.");
}

#[tokio::test]
async fn devices_have_tags() {
    let scene = Scene::new().await;
    let phone = device(&scene, "phone").await;
    let mut tag = crate::scene::input(&[("SerialNumber", &phone.serial)]);
    let pair = crate::scene::input(&[("Key", "team"), ("Value", "blue")]);
    tag.push("Tags", casemate_schema::Document::List(vec![pair]));
    assert_eq!(scene.world.call(&scene.root, "iam", "TagMFADevice", tag).await.status, 200);
    let members = [("SerialNumber", phone.serial.as_str())];
    assert_eq!(scene.iam(&scene.root, "ListMFADeviceTags", &members).await.element("Value").unwrap(), "blue");
    let mut untag = crate::scene::input(&members);
    untag.push("TagKeys", casemate_schema::Document::List(vec!["team".into()]));
    assert_eq!(scene.world.call(&scene.root, "iam", "UntagMFADevice", untag).await.status, 200);
    assert!(scene.iam(&scene.root, "ListMFADeviceTags", &members).await.element("Value").is_none());
}
