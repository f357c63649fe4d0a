//! `GetStages`: lists the stages of an API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetStages, GetStagesInput, GetStagesOutput},
    rows, view,
};

impl Operation<GetStages> for ApiGateway {
    fn access(&self, input: &GetStagesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, &format!("/restapis/{}/stages", input.rest_api_id)))
    }

    async fn run(&self, call: Call<GetStages>) -> Result<GetStagesOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let read = self.env.store.read(|tx| {
            let api = rows::rest_api(tx, scope, &input.rest_api_id)?;
            Ok::<_, Error>(tx.scan::<rows::Stage>(&rows::api_key(scope, &api.id), None, usize::MAX)?)
        });
        let all = read?.into_iter().map(|(_, stage)| stage);
        let wanted = |stage: &rows::Stage| {
            input.deployment_id.as_ref().is_none_or(|deployment| *deployment == stage.deployment_id)
        };
        let item = all.filter(wanted).map(|stage| view::stage(&stage)).collect();
        Ok(GetStagesOutput { item: Some(item) })
    }
}
