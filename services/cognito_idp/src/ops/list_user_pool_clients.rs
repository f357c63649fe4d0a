//! `ListUserPoolClients`: the clients of a pool, without their secrets.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Secret;

use crate::{
    CognitoIdp,
    api::{
        ClientTypeType, Error, ListUserPoolClients, ListUserPoolClientsInput, ListUserPoolClientsOutput,
        UserPoolClientDescription,
    },
    client::Client,
    page::{self, Page},
    pool::{Place, Trouble},
};

impl Operation<ListUserPoolClients> for CognitoIdp {
    fn access(&self, input: &ListUserPoolClientsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:ListUserPoolClients", &input.user_pool_id))
    }

    async fn run(&self, call: Call<ListUserPoolClients>) -> Result<ListUserPoolClientsOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let page = Page::of(call.input.max_results, call.input.next_token.as_deref())?;
        let rows = self.env.store.read(|tx| {
            place.pool(tx)?;
            let prefix = place.key();
            Ok::<_, Trouble>(tx.scan::<Client>(&prefix, page.cursor(&prefix).as_ref(), page.size + 1)?)
        })?;
        // No client here was registered dynamically.
        let rows = if call.input.client_type == Some(ClientTypeType::Dcr) { Vec::new() } else { rows };
        let (rows, next_token) = page::cut(rows, page.size, |(_, client)| client.id.clone());
        let shown = rows.into_iter().map(|(_, client)| UserPoolClientDescription {
            client_id: Some(Secret::new(client.id)),
            user_pool_id: Some(client.pool),
            client_name: Some(client.name),
        });
        Ok(ListUserPoolClientsOutput { user_pool_clients: Some(shown.collect()), next_token })
    }
}
