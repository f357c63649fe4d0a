//! `CreateLogGroup`: makes an empty group.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::lower_alphanumeric;

use crate::{
    Logs,
    api::{CreateLogGroup, CreateLogGroupInput, CreateLogGroupOutput, Error, LogGroupClass},
    resource, rows,
};

/// Letters and digits of a group's own id: enough that none is ever drawn twice.
const ID_LENGTH: usize = 20;

impl Operation<CreateLogGroup> for Logs {
    fn access(&self, input: &CreateLogGroupInput, caller: &Caller) -> Result<Access, Error> {
        let scope = self.scope(caller);
        let arn = resource::whole_group_arn(&scope, &input.log_group_name);
        let tags = input.tags.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut asks = vec![Ask::on("logs:CreateLogGroup", arn).with_request_tags(tags.clone())];
        // AWS: tags on creation need logs:TagResource as well (API reference of CreateLogGroup).
        if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
            let arn = resource::group_arn(&scope, &input.log_group_name);
            asks.push(Ask::on("logs:TagResource", arn).with_request_tags(tags));
        }
        Ok(Access::Iam(asks))
    }

    async fn run(&self, call: Call<CreateLogGroup>) -> Result<CreateLogGroupOutput, Error> {
        let name = &call.input.log_group_name;
        // AWS: names that begin with `aws/` are reserved (API reference).
        if name.to_ascii_lowercase().starts_with("aws/") {
            return Err(Error::invalid_parameter_exception(
                "Log groups starting with AWS/ are reserved for AWS.",
            ));
        }
        if call.input.kms_key_id.is_some() {
            return Err(Error::invalid_parameter_exception(
                "KMS keys are not available; log events are always sealed.",
            ));
        }
        let class = call.input.log_group_class.unwrap_or(LogGroupClass::Standard);
        if class == LogGroupClass::Delivery {
            return Err(Error::invalid_parameter_exception("The DELIVERY log group class is not available."));
        }
        let group = rows::Group {
            id: lower_alphanumeric(&*self.env.entropy, "logs.group", ID_LENGTH),
            created_at: call.now(),
            retention_days: None,
            class: class.as_str().to_owned(),
            deletion_protected: call.input.deletion_protection_enabled.unwrap_or(false),
            tags: call.input.tags.clone().unwrap_or_default(),
            stored_bytes: 0,
            streams_made: 0,
        };
        let key = rows::group_key(call.scope(), name);
        self.env
            .store
            .write(move |tx| {
                if tx.exists::<rows::Group>(&key)? {
                    // AWS: text of the service.
                    return Err(Error::resource_already_exists_exception(
                        "The specified log group already exists",
                    ));
                }
                Ok(tx.put(&key, &group)?)
            })
            .await?;
        Ok(CreateLogGroupOutput {})
    }
}
