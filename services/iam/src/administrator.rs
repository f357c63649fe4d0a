//! The first key of an installation: made once, for the account's root, and shown once. There are no others built in.

use casemate_kernel::{Env, Fault};
use casemate_names::Secret;

use crate::{
    access_keys::{Fresh, Owner, create},
    api::Error,
    to_the_second,
};

/// Makes the administrator's key if the account's root has none. Answers its id and secret the one time it does.
///
/// Call it before requests are served: the directory does not learn of the key otherwise.
pub async fn ensure_administrator(env: &Env) -> Result<Option<(String, Secret<String>)>, Fault> {
    let scope = env.site.scope.clone();
    let fresh = Fresh::new(&*env.entropy);
    let (id, secret) = (fresh.id.clone(), fresh.secret.clone());
    let now = to_the_second(env.clock.now());
    let made = env
        .store
        .write(move |tx| {
            if !Owner::Root.key_ids(tx, &scope)?.is_empty() {
                return Ok::<_, Error>(false);
            }
            create(tx, &scope, &Owner::Root, &fresh, now)?;
            Ok(true)
        })
        .await?;
    Ok(made.then_some((id, secret)))
}
