//! Finds what would allow a request: the engine names the first refusal, the least change that ends it is made on a
//! draft, and the engine is asked again, until it allows.

use super::{Changes, draft::Drafts, grant, lift};
use crate::{Layers, Request, Verdict};

/// Changes looked for at most. Ours: a request meets one refusal a layer and a few denials.
const CHANGES_MAX: usize = 64;

pub(super) fn find(layers: &Layers<'_>, request: &Request<'_>) -> Changes {
    let mut drafts = Drafts::of(layers, request);
    let mut changes = Vec::new();
    for _ in 0..CHANGES_MAX {
        let decision = drafts.decide(request);
        let found = match decision.verdict {
            Verdict::Allow => return Changes { complete: true, changes },
            Verdict::ExplicitDeny => lift::step(&drafts, &decision, request),
            Verdict::ImplicitDeny => grant::step(&drafts, &decision, request),
        };
        let Some((next, step)) = found else { break };
        changes.push(next.describe(step));
        drafts = next;
    }
    let complete = drafts.decide(request).is_allowed();
    Changes { complete, changes }
}
