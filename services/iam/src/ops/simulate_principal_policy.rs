//! `SimulatePrincipalPolicy`: what the policies of a user, group or role would allow, together with further ones.

use casemate_kernel::{
    Access, Call, Caller, Env, Operation,
    policy::{Kind, Principal},
};
use casemate_names::Scope;

use super::simulate_custom_policy::account;
use crate::{
    Iam,
    api::{
        Error, PolicyIdentifier, SimulatePrincipalPolicy, SimulatePrincipalPolicyInput,
        SimulatePrincipalPolicyOutput,
    },
    login_profiles::heavy,
    page::Paging,
    resource::entity_arn,
    simulate::{Case, Ceilings, GivenValue, Simulated},
    simulation,
    sources::{self, Bound, Source},
};

impl Operation<SimulatePrincipalPolicy> for Iam {
    fn access(&self, input: &SimulatePrincipalPolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_source("iam:SimulatePrincipalPolicy", &input.policy_source_arn, caller))
    }

    async fn run(&self, call: Call<SimulatePrincipalPolicy>) -> Result<SimulatePrincipalPolicyOutput, Error> {
        let (env, scope) = (self.env.clone(), call.scope().clone());
        // Policies can be large, and a page a thousand evaluations of them.
        heavy(&self.env, move || simulated(&env, &scope, &call.input)).await?
    }
}

fn simulated(
    env: &Env,
    scope: &Scope,
    input: &SimulatePrincipalPolicyInput,
) -> Result<SimulatePrincipalPolicyOutput, Error> {
    let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
    let bound = env.store.read(|tx| sources::of_arn(tx, env, scope, &input.policy_source_arn))?;
    let left_out = input.policy_exclusion_list.as_deref().unwrap_or_default();
    let mut identity = without(bound.sources.clone(), left_out);
    identity
        .extend(sources::given("PolicyInputList", input.policy_input_list.as_deref().unwrap_or_default()));
    // AWS: IAM API reference: boundaries given with the request stand in for the principal's own.
    let given = simulation::boundary(input.permissions_boundary_policy_input_list.as_deref())?;
    let own = without(bound.boundary.iter().cloned().collect(), left_out);
    let boundary =
        if given.is_none() && !own.is_empty() { Some(Simulated::all(&own, Kind::Boundary)?) } else { given };
    let mut context = simulation::context(input.context_entries.as_deref())?;
    let principal = asking(input, &bound, scope)?;
    // What is known of the principal itself is not missing.
    if bound.principal.as_ref() == Some(&principal) {
        for (key, value) in &bound.facts {
            context.add(key, GivenValue::One(value.clone()));
        }
        let bounds = env.bounds(&scope.account, None, "", None)?;
        if let Some(membership) = bounds.membership() {
            context.add("aws:PrincipalOrgID", GivenValue::One(membership.organization.clone()));
            context.add("aws:PrincipalOrgPaths", GivenValue::Many(vec![membership.path.clone()]));
        }
    }
    let policy = input.resource_policy.as_deref();
    let case = Case {
        env: env.clone(),
        resource_account: account(&principal, policy, input.resource_owner.as_deref())?,
        principal,
        identity: Simulated::all(&identity, Kind::Identity)?,
        boundary,
        // DIVERGES: resource control policies are taken into account, too, for resources of the caller's account.
        ceilings: Ceilings::InForce { account: scope.account.clone() },
        resource: policy.map(Simulated::resource).transpose()?,
        context,
    };
    simulation::answer(&case, &input.action_names, input.resource_arns.as_deref(), &paging)
}

/// As whom it is asked.
// AWS: IAM API reference, `CallerArn`: the source if it is a user; else required with a resource policy.
fn asking(input: &SimulatePrincipalPolicyInput, bound: &Bound, scope: &Scope) -> Result<Principal, Error> {
    if let Some(arn) = input.caller_arn.as_ref().filter(|arn| **arn != input.policy_source_arn) {
        return simulation::caller(arn);
    }
    match (&bound.principal, &input.resource_policy) {
        (Some(user @ Principal::User { .. }), _) => Ok(user.clone()),
        (_, Some(_)) => {
            Err(Error::invalid_input_exception("CallerArn is required when a ResourcePolicy is given."))
        }
        (Some(role), None) => Ok(role.clone()),
        (None, None) => Ok(Principal::User {
            arn: entity_arn(scope, "user", "/", "simulation").as_str().to_owned(),
            unique_id: String::new(),
            account: scope.account.as_str().to_owned(),
        }),
    }
}

fn without(sources: Vec<Source>, left_out: &[PolicyIdentifier]) -> Vec<Source> {
    sources.into_iter().filter(|source| !left_out.iter().any(|identifier| source.is(identifier))).collect()
}

impl Iam {
    /// What an operation on a user, group or role given by ARN asks for. Text that is no ARN asks for one nobody has.
    pub(super) fn ask_on_source(&self, action: &'static str, arn: &str, caller: &Caller) -> Access {
        let arn = casemate_names::Arn::parse(arn)
            .unwrap_or_else(|_| entity_arn(&self.scope(caller), "user", "/", arn));
        Access::on(action, arn)
    }
}
