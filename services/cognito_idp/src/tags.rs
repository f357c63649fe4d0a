//! What tag operations name: a pool by its ARN.

use casemate_names::Arn;

use crate::{CognitoIdp, api::Error, pool::Place, refusal::Refusal, resource};

/// AWS: tags per resource.
pub(crate) const PER_POOL_MAX: usize = 50;

/// The ARN, if it is that of a user pool.
pub(crate) fn target(text: &str) -> Result<Arn, Error> {
    let arn = Arn::parse(text).ok().filter(|arn| resource::pool_of(arn).is_some());
    Ok(arn.ok_or_else(|| Refusal::invalid_parameter("Invalid resource ARN: a user pool is expected"))?)
}

impl CognitoIdp {
    /// The place of the pool an ARN names. The gate has judged this very ARN.
    pub(crate) fn place_of_arn(&self, arn: &Arn) -> Result<Place, Error> {
        let id = resource::pool_of(arn).ok_or_else(|| Refusal::internal("not the ARN of a pool"))?;
        let place = Place::new(&self.env.scope_of_arn(arn), id);
        // INVARIANT: what is touched is what was judged: an ARN of another region names no pool here.
        if place.arn() != *arn {
            return Err(Refusal::resource_not_found(format!("User pool {id} does not exist.")).into());
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_user_pools_can_be_tagged() {
        assert!(target("arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_x").is_ok());
        for text in ["", "us-east-1_x", "arn:aws:s3:::bucket", "arn:aws:iam::123456789012:user/userpool/x"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
