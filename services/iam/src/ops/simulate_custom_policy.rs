//! `SimulateCustomPolicy`: what given policies would allow.

use casemate_kernel::{
    Access, Call, Caller, Env, Operation,
    policy::{Kind, Principal},
};
use casemate_names::Scope;

use crate::{
    Iam,
    api::{Error, SimulateCustomPolicy, SimulateCustomPolicyInput, SimulateCustomPolicyOutput},
    login_profiles::heavy,
    page::Paging,
    resource::entity_arn,
    simulate::{Case, Ceilings, Simulated},
    simulation, sources,
};

impl Operation<SimulateCustomPolicy> for Iam {
    fn access(&self, _input: &SimulateCustomPolicyInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:SimulateCustomPolicy"))
    }

    async fn run(&self, call: Call<SimulateCustomPolicy>) -> Result<SimulateCustomPolicyOutput, Error> {
        let (env, scope) = (self.env.clone(), call.scope().clone());
        // Policies can be large, and a page a thousand evaluations of them.
        heavy(&self.env, move || simulated(&env, &scope, &call.input)).await?
    }
}

fn simulated(
    env: &Env,
    scope: &Scope,
    input: &SimulateCustomPolicyInput,
) -> Result<SimulateCustomPolicyOutput, Error> {
    let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
    // AWS: IAM API reference, `CallerArn`: required with a resource policy, else it does not matter who asks.
    let principal = match (&input.caller_arn, &input.resource_policy) {
        (Some(arn), _) => simulation::caller(arn)?,
        (None, Some(_)) => {
            return Err(Error::invalid_input_exception(
                "CallerArn is required when a ResourcePolicy is given.",
            ));
        }
        (None, None) => Principal::User {
            arn: entity_arn(scope, "user", "/", "simulation").as_str().to_owned(),
            unique_id: String::new(),
            account: scope.account.as_str().to_owned(),
        },
    };
    let identity = sources::given("PolicyInputList", &input.policy_input_list);
    let case = Case {
        env: env.clone(),
        resource_account: account(
            &principal,
            input.resource_policy.as_deref(),
            input.resource_owner.as_deref(),
        )?,
        principal,
        identity: Simulated::all(&identity, Kind::Identity)?,
        boundary: simulation::boundary(input.permissions_boundary_policy_input_list.as_deref())?,
        ceilings: Ceilings::Given(simulation::organizations(
            input.ordered_organization_policy_input_list.as_deref(),
        )?),
        resource: input.resource_policy.as_deref().map(Simulated::resource).transpose()?,
        context: simulation::context(input.context_entries.as_deref())?,
    };
    simulation::answer(&case, &input.action_names, input.resource_arns.as_deref(), &paging)
}

/// The account that owns the resources; it matters only where there is a resource policy.
// AWS: IAM API reference, `ResourceOwner`: the caller's account unless given.
pub(super) fn account(
    principal: &Principal,
    resource_policy: Option<&str>,
    owner: Option<&str>,
) -> Result<Option<String>, Error> {
    let owner = owner.map(simulation::owner).transpose()?;
    if resource_policy.is_none() {
        return Ok(None);
    }
    Ok(owner.or_else(|| principal.account().map(str::to_owned)))
}
