//! A permit is used once: it can be neither cloned nor copied.

fn twice(permit: casemate_kernel::Permit) -> (casemate_kernel::Permit, casemate_kernel::Permit) {
    (permit.clone(), permit)
}

fn main() {}
