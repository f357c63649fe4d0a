//! Whom a document names by ARN, by unique id: exactly that user or role, or the role that exactly that session is of, and
//! nobody who only looks like it.

use casemate_kernel::{Caller, NamedPrincipal};
use casemate_testkit::World;

use crate::toys::world;

/// The unique id of whom this ARN names.
fn id(world: &World, arn: &str) -> Option<String> {
    let named = NamedPrincipal::parse(arn).unwrap_or_else(|| panic!("{arn} names nobody with a unique id"));
    world.env().sessions().unwrap().unique_id_of(&named).unwrap()
}

/// The role of that path and name in the home account, and its unique id.
fn role(world: &World, path_and_name: &str) -> String {
    world.identities().role(path_and_name, &[], None).unique_id.clone()
}

#[test]
fn a_session_is_remembered_by_its_roles_unique_id_whatever_the_roles_path() {
    let (world, _) = world();
    let (worker, other) = (role(&world, "worker"), role(&world, "team/a/other"));
    assert_eq!(id(&world, "arn:aws:sts::123456789012:assumed-role/worker/s"), Some(worker));
    assert_eq!(id(&world, "arn:aws:sts::123456789012:assumed-role/other/s"), Some(other.clone()));
    assert_eq!(id(&world, "arn:aws:iam::123456789012:role/team/a/other"), Some(other));
    // AWS: a session's ARN leaves the path out, a role's ARN does not.
    for arn in [
        "arn:aws:sts::123456789012:assumed-role/team/a/other",
        "arn:aws:sts::123456789012:assumed-role/team/a/other/s",
        "arn:aws:sts::123456789012:assumed-role/a/other",
        "arn:aws:iam::123456789012:role/other",
    ] {
        assert_eq!(id(&world, arn), None, "{arn}");
    }
}

#[test]
fn a_session_that_is_spelt_otherwise_is_nobodys() {
    let (world, _) = world();
    role(&world, "worker");
    role(&world, "team/hidden");
    for arn in [
        "arn:aws-cn:sts::123456789012:assumed-role/worker/s",
        "arn:aws-us-gov:sts::123456789012:assumed-role/hidden/s",
        "arn:aws:sts::123456789012:assumed-role/Worker/s",
        "arn:aws:sts::123456789012:assumed-role/HIDDEN/s",
        "arn:aws:sts::123456789012:assumed-role/work/s",
        "arn:aws:sts::123456789012:assumed-role/nobody/s",
        "arn:aws:sts::123456789012:assumed-role//s",
        "arn:aws:sts:::assumed-role/worker/s",
        "arn:aws:sts::12345678901:assumed-role/worker/s",
        "arn:aws:sts::aws:assumed-role/worker/s",
    ] {
        assert_eq!(id(&world, arn), None, "{arn}");
    }
}

#[test]
fn a_session_without_a_name_is_nobodys() {
    let (world, _) = world();
    role(&world, "worker");
    for arn in
        ["arn:aws:sts::123456789012:assumed-role/worker/", "arn:aws:sts::123456789012:assumed-role/worker"]
    {
        assert_eq!(id(&world, arn), None, "{arn}");
    }
}

#[test]
fn of_namesakes_each_has_its_own_unique_id() {
    let (world, _) = world();
    let people = world.identities();
    let ann = people.user("ann", &[]);
    let Some(Caller::User { unique_id: user, .. }) = &ann.caller else { panic!("not a user") };
    // A user is no role: nobody is a session of it.
    assert_eq!(id(&world, "arn:aws:iam::123456789012:user/ann"), Some(user.clone()));
    assert_eq!(id(&world, "arn:aws:iam::123456789012:role/ann"), None);
    assert_eq!(id(&world, "arn:aws:sts::123456789012:assumed-role/ann/s"), None);
    let home = role(&world, "ann");
    let foreign = people.role_of(&world.other_account(), "ann", &[], None).unique_id.clone();
    assert!(*user != home && home != foreign);
    for (arn, wanted) in [
        ("arn:aws:iam::123456789012:user/ann", user),
        ("arn:aws:iam::123456789012:role/ann", &home),
        ("arn:aws:sts::123456789012:assumed-role/ann/s", &home),
        ("arn:aws:iam::210987654321:role/ann", &foreign),
        ("arn:aws:sts::210987654321:assumed-role/ann/s", &foreign),
    ] {
        assert_eq!(id(&world, arn).as_ref(), Some(wanted), "{arn}");
    }
    assert_eq!(id(&world, "arn:aws:iam::210987654321:user/ann"), None);
}

#[test]
fn a_role_made_again_has_another_unique_id_and_so_have_its_sessions() {
    let (world, _) = world();
    let old = role(&world, "worker");
    let new = role(&world, "worker");
    assert_ne!(old, new);
    for arn in ["arn:aws:iam::123456789012:role/worker", "arn:aws:sts::123456789012:assumed-role/worker/s"] {
        assert_eq!(id(&world, arn), Some(new.clone()), "{arn}");
    }
}
