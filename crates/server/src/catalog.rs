//! The only list of services. Adding one is a line here and a dependency in the manifest.

use std::sync::Arc;

use casemate_kernel::{Assembly, Builder, DataPlane, Env, Fault, Kernel, Task};

use crate::{
    admin::{self, Admin, Observations},
    issuers::Issuers,
    trust::TRUST,
};

/// What some services need that is not in the kernel.
#[derive(Debug)]
pub struct Extras {
    /// What running functions needs.
    pub lambda: casemate_lambda::Extras,
    /// Virtual machines for functions.
    pub machines: casemate_lambda::Machines,
}

/// Opens every service and builds the kernel.
pub fn assemble(builder: Builder, extras: Extras) -> Result<(Arc<Kernel>, Vec<Task>), Fault> {
    let mut builder = builder.trust(TRUST);
    let (cognito, keys) = casemate_cognito_idp::open_with_keys(&env(&builder, "cognito-idp"))?;
    let sts = env(&builder, "sts");
    let issuers = Arc::new(Issuers::new(Arc::clone(&keys), &sts));
    let opened = [
        ("iam", casemate_iam::open(&env(&builder, "iam"))?),
        ("sts", casemate_sts::open_with_issuers(&sts, issuers)?),
        ("cognito-idp", cognito),
        ("dynamodb", casemate_dynamodb::open(&env(&builder, "dynamodb"))?),
        ("kms", casemate_kms::open(&env(&builder, "kms"))?),
        ("logs", casemate_logs::open(&env(&builder, "logs"))?),
        ("organizations", casemate_organizations::open(&env(&builder, "organizations"))?),
        ("lambda", open_lambda(&env(&builder, "lambda"), extras)?),
        ("apigateway", casemate_apigateway::open(&env(&builder, "apigateway"), keys)?),
        ("cloudformation", casemate_cloudformation::open(&env(&builder, "cloudformation"))?),
    ];
    for (service, assembly) in opened {
        builder.add(service, principal(service), assembly);
    }
    let admin = Admin::new(builder.env(admin::SERVICE, ""));
    let observations = Observations::new(builder.env(admin::SERVICE, ""));
    let planes: Vec<Arc<dyn DataPlane>> = vec![Arc::new(admin), Arc::new(observations)];
    builder.add(admin::SERVICE, "", Assembly { data_planes: planes, ..Assembly::default() });
    builder.build()
}

fn open_lambda(env: &Env, extras: Extras) -> Result<Assembly, Fault> {
    casemate_lambda::open_with_machines(env, extras.lambda, extras.machines)
}

fn env(builder: &Builder, service: &'static str) -> Env {
    builder.env(service, principal(service))
}

/// The name under which a service assumes roles and appears in resource policies.
fn principal(service: &'static str) -> &'static str {
    match service {
        "apigateway" => "apigateway.amazonaws.com",
        "cloudformation" => "cloudformation.amazonaws.com",
        "cognito-idp" => "cognito-idp.amazonaws.com",
        "dynamodb" => "dynamodb.amazonaws.com",
        "iam" => "iam.amazonaws.com",
        "kms" => "kms.amazonaws.com",
        "lambda" => "lambda.amazonaws.com",
        "logs" => "logs.amazonaws.com",
        "organizations" => "organizations.amazonaws.com",
        "sts" => "sts.amazonaws.com",
        _ => "",
    }
}
