//! `DeleteUserPool`: removes a pool with everything in it.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::{Key, Row, StoreError, WriteTx};

use crate::{
    CognitoIdp,
    api::{DeleteUserPool, DeleteUserPoolInput, DeleteUserPoolOutput, Error},
    challenge::Session,
    client::{Client, PER_POOL_MAX},
    codes::{Attempts, Code},
    groups::{Group, Membership},
    lockout::Lockout,
    password::Credential,
    pool::{Place, PoolIndex, PoolKeys, Trouble, UserPool},
    refusal::Refusal,
    sign_in::UsedNonce,
    tokens::{Family, RefreshToken},
    user::{Alias, User},
};

/// Rows removed in one transaction at most, to stay within the store's limits.
const BATCH: usize = 1_000;

impl Operation<DeleteUserPool> for CognitoIdp {
    fn access(&self, input: &DeleteUserPoolInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:DeleteUserPool", &input.user_pool_id))
    }

    async fn run(&self, call: Call<DeleteUserPool>) -> Result<DeleteUserPoolOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let at = place.clone();
        // The pool, its keys and its clients go first: from then on nobody can sign in and no token counts.
        self.env
            .store
            .write(move |tx| {
                if at.pool(tx)?.deletion_protected {
                    // AWS: as clients show it.
                    return Err(Refusal::invalid_parameter(
                        "The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first.",
                    )
                    .into());
                }
                for (_, client) in tx.scan::<Client>(&at.key(), None, PER_POOL_MAX)? {
                    Client::delete(tx, &at, &client.id)?;
                }
                tx.delete::<UserPool>(&at.key())?;
                tx.delete::<PoolKeys>(&at.key())?;
                tx.delete::<PoolIndex>(&Key::global().text(&at.pool))?;
                Ok::<_, Trouble>(())
            })
            .await?;
        self.keys.forget(&place.pool);
        loop {
            let prefix = place.key();
            let more = self.env.store.write(move |tx| clear(tx, &prefix)).await?;
            if !more {
                return Ok(DeleteUserPoolOutput {});
            }
        }
    }
}

fn clear(tx: &mut WriteTx<'_>, prefix: &Key) -> Result<bool, StoreError> {
    let mut more = false;
    more |= clear_table::<Credential>(tx, prefix)?;
    more |= clear_table::<User>(tx, prefix)?;
    more |= clear_table::<Alias>(tx, prefix)?;
    more |= clear_table::<Group>(tx, prefix)?;
    more |= clear_table::<Membership>(tx, prefix)?;
    more |= clear_table::<Code>(tx, prefix)?;
    more |= clear_table::<Attempts>(tx, prefix)?;
    more |= clear_table::<Lockout>(tx, prefix)?;
    more |= clear_table::<Session>(tx, prefix)?;
    more |= clear_table::<UsedNonce>(tx, prefix)?;
    more |= clear_table::<Family>(tx, prefix)?;
    more |= clear_table::<RefreshToken>(tx, prefix)?;
    Ok(more)
}

fn clear_table<T: Row>(tx: &mut WriteTx<'_>, prefix: &Key) -> Result<bool, StoreError> {
    let rows = tx.scan::<T>(prefix, None, BATCH)?;
    for (key, _) in &rows {
        tx.delete::<T>(key)?;
    }
    Ok(rows.len() == BATCH)
}
