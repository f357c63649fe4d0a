//! A permit has no public constructor and no public fields.

fn main() {
    let _ = casemate_kernel::Permit {};
}
