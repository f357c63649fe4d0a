//! The gate cannot be gone round by writing code: what would forge an admitted call does not compile.

#[test]
fn forged_admissions_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
