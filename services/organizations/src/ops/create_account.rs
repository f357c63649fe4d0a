//! `CreateAccount`: a new account with a role that the management account may assume. AWS answers while it still works;
//! here the work is done when the answer comes.
//!
//! The account is a member, under all its ceilings, before its role is made; if that fails it is none again.

use casemate_kernel::{Access, Call, Caller, Fault, Operation};
use casemate_names::{AccountId, Entropy};
use casemate_store::WriteTx;

use crate::{
    Organizations,
    api::{
        ConstraintViolationExceptionReason as Limit, CreateAccount, CreateAccountInput, CreateAccountOutput,
        Error,
    },
    birth,
    nodes::ACCOUNTS_MAX,
    refusal,
    rows::{Creation, Member, MemberRow, OrganizationRow, Outcome, member_key},
    show, tags,
};

impl Operation<CreateAccount> for Organizations {
    fn access(&self, input: &CreateAccountInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(tags::created_with(Access::on_any("organizations:CreateAccount"), input.tags.as_deref()))
    }

    async fn run(&self, call: Call<CreateAccount>) -> Result<CreateAccountOutput, Error> {
        let request = self.new_id("organizations.account-request", "car-", 32);
        let account = new_account(&*self.env.entropy)?;
        let (id, scope, now) = (request.clone(), call.scope().clone(), call.now());
        let (made, home) = (account.clone(), self.env.site.scope.account.clone());
        let member = Member {
            name: call.input.account_name.clone(),
            email: Some(call.input.email.clone()),
            parent: String::new(),
            joined_at: now,
            created: true,
            closed: false,
        };
        let tags = tags::taken(call.input.tags.as_deref())?;
        let joined = self
            .change(&scope, move |tx, organization| {
                let outcome = joined(tx, organization, &made, &home, &member)?;
                let going = matches!(outcome, Outcome::InProgress);
                let name = member.name.clone();
                let creation = Creation { name, account: made.clone(), requested_at: now, outcome };
                remember(organization, id.clone(), creation);
                if going && !tags.is_empty() {
                    organization.tags.insert(made.as_str().to_owned(), tags.clone());
                }
                Ok(going)
            })
            .await?;
        if joined {
            let role = call.input.role_name.as_deref().unwrap_or(birth::ROLE_NAME);
            let role = birth::make_role(call.permit(), &scope.account, &account, role).await;
            let id = request.clone();
            self.change(&scope, move |tx, organization| {
                let outcome = if role.is_ok() {
                    Outcome::Succeeded { at: now }
                } else {
                    organization.leave(tx, &account)?;
                    Outcome::Failed { at: now }
                };
                if let Some(creation) = organization.creations.get_mut(&id) {
                    creation.outcome = outcome;
                }
                Ok(())
            })
            .await?;
        }
        let status = self.read(&scope, |_, organization| {
            Ok(organization.creations.get(&request).map(|creation| show::creation(&request, creation)))
        })?;
        Ok(CreateAccountOutput { create_account_status: status })
    }
}

/// Requests for accounts that can be looked up later. Our own figure: ten times the accounts there can be.
const CREATIONS_MAX: usize = 10 * ACCOUNTS_MAX;

/// Keeps a request; the oldest goes when there are too many.
fn remember(organization: &mut OrganizationRow, id: String, creation: Creation) {
    if organization.creations.len() >= CREATIONS_MAX {
        let oldest = organization.creations.iter().min_by_key(|(_, creation)| creation.requested_at);
        if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
            organization.creations.remove(&oldest);
        }
    }
    organization.creations.insert(id, creation);
}

/// Makes the account a member below the root, unless somebody has its e-mail address.
fn joined(
    tx: &mut WriteTx<'_>,
    organization: &mut OrganizationRow,
    account: &AccountId,
    home: &AccountId,
    member: &Member,
) -> Result<Outcome, Error> {
    // DIVERGES: closed accounts do not count; they never go away here, on AWS after 90 days.
    if organization.accounts.values().filter(|known| !known.closed).count() >= ACCOUNTS_MAX {
        // AWS: text of ConstraintViolationException.
        let text = "You have exceeded the allowed number of AWS accounts.";
        return Err(refusal::limit(Limit::AccountNumberLimitExceeded, text));
    }
    let email = |member: &Member| member.email.as_ref().map(|email| email.expose().to_ascii_lowercase());
    if organization.accounts.values().any(|known| known.email.is_some() && email(known) == email(member)) {
        return Ok(Outcome::EmailExists { at: member.joined_at });
    }
    let key = member_key(account);
    if account == home || tx.exists::<MemberRow>(&key)? {
        return Ok(Outcome::Failed { at: member.joined_at });
    }
    tx.put(&key, &MemberRow { organization: organization.id.clone() })?;
    let member = Member { parent: organization.root.clone(), ..member.clone() };
    organization.accounts.insert(account.as_str().to_owned(), member);
    organization.attach_full_access(account.as_str());
    Ok(Outcome::InProgress)
}

/// Twelve random digits, not beginning with zero (some tools drop it).
fn new_account(entropy: &dyn Entropy) -> Result<AccountId, Fault> {
    let mut bytes = [0; 8];
    entropy.fill("organizations.account", &mut bytes);
    let number = 100_000_000_000 + u64::from_le_bytes(bytes) % 900_000_000_000;
    AccountId::parse(&number.to_string()).map_err(Fault::internal)
}
