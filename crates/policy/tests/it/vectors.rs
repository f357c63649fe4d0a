//! The repository's vectors: see `crates/policy-vectors`.

#[test]
fn every_vector_is_answered_as_its_source_says() {
    for score in casemate_policy_vectors::scores().unwrap() {
        assert_eq!(score.failures, Vec::<String>::new(), "{}", score.name);
        assert!(score.right > 50, "{} has hardly any vectors", score.name);
    }
}
