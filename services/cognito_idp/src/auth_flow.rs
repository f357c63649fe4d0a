//! Which sign-in flows a client may use. Pure.

use crate::refusal::Refusal;

/// A flow, by what it does; the old and the new names of one flow are the same here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// `USER_SRP_AUTH`
    UserSrp,
    /// `USER_PASSWORD_AUTH`
    UserPassword,
    /// `ADMIN_USER_PASSWORD_AUTH`, formerly `ADMIN_NO_SRP_AUTH`
    AdminUserPassword,
    /// `REFRESH_TOKEN_AUTH`, formerly `REFRESH_TOKEN`
    Refresh,
}

/// How the flow was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `InitiateAuth`, unsigned.
    Public,
    /// `AdminInitiateAuth`, authorised by IAM.
    Admin,
}

impl Flow {
    /// The flow called `name` where it may be started through `door` by a client that lists `explicit` flows.
    pub fn choose(name: &str, door: Door, explicit: &[String]) -> Result<Self, Refusal> {
        let flow = match (name, door) {
            ("USER_SRP_AUTH", _) => Self::UserSrp,
            ("USER_PASSWORD_AUTH", Door::Public) => Self::UserPassword,
            ("ADMIN_USER_PASSWORD_AUTH" | "ADMIN_NO_SRP_AUTH", Door::Admin) => Self::AdminUserPassword,
            ("REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN", _) => Self::Refresh,
            ("CUSTOM_AUTH", _) => {
                // AWS: what a pool without these triggers answers.
                return Err(Refusal::invalid_parameter(
                    "Custom auth lambda trigger is not configured for the user pool.",
                ));
            }
            // AWS: the answer to flows that do not belong to this operation.
            _ => return Err(Refusal::invalid_parameter("Initiate Auth method not supported.")),
        };
        if flow.is_enabled(explicit) { Ok(flow) } else { Err(flow.disabled()) }
    }

    /// AWS: a client that lists nothing has refresh, SRP and custom; old names leave SRP and refresh on (`CUSTOM_AUTH_FLOW_ONLY`
    /// takes SRP away); `ALLOW_` names list everything that is on.
    fn is_enabled(self, explicit: &[String]) -> bool {
        let lists = |name: &str| explicit.iter().any(|listed| listed == name);
        let modern = explicit.iter().any(|listed| listed.starts_with("ALLOW_"));
        match self {
            Self::UserSrp if modern => lists("ALLOW_USER_SRP_AUTH"),
            Self::UserSrp => !lists("CUSTOM_AUTH_FLOW_ONLY"),
            Self::Refresh => !modern || lists("ALLOW_REFRESH_TOKEN_AUTH"),
            Self::UserPassword => lists("ALLOW_USER_PASSWORD_AUTH") || lists("USER_PASSWORD_AUTH"),
            Self::AdminUserPassword => lists("ALLOW_ADMIN_USER_PASSWORD_AUTH") || lists("ADMIN_NO_SRP_AUTH"),
        }
    }

    fn disabled(self) -> Refusal {
        // AWS: as clients show them.
        Refusal::invalid_parameter(match self {
            Self::UserSrp => "USER_SRP_AUTH is not enabled for the client.",
            Self::UserPassword => "USER_PASSWORD_AUTH flow not enabled for this client",
            Self::AdminUserPassword | Self::Refresh => "Auth flow not enabled for this client",
        })
    }
}

/// Refuses a list that mixes old and `ALLOW_` names, as the model says, or lists what no client can be given here.
pub fn check_listed(explicit: &[String]) -> Result<(), Refusal> {
    let modern = explicit.iter().filter(|name| name.starts_with("ALLOW_")).count();
    if modern != 0 && modern != explicit.len() {
        return Err(Refusal::invalid_parameter(
            "Invalid ExplicitAuthFlows: Legacy values and values that start with ALLOW_ can't be mixed.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_client_that_lists_nothing_has_srp_and_refresh_only() {
        assert_eq!(Flow::choose("USER_SRP_AUTH", Door::Public, &[]), Ok(Flow::UserSrp));
        assert_eq!(Flow::choose("REFRESH_TOKEN", Door::Public, &[]), Ok(Flow::Refresh));
        assert_eq!(
            Flow::choose("USER_PASSWORD_AUTH", Door::Public, &[]).unwrap_err().text,
            "USER_PASSWORD_AUTH flow not enabled for this client"
        );
        assert!(Flow::choose("ADMIN_USER_PASSWORD_AUTH", Door::Admin, &[]).is_err());
    }

    #[test]
    fn a_modern_list_is_complete() {
        let listed = flows(&["ALLOW_USER_PASSWORD_AUTH"]);
        assert_eq!(Flow::choose("USER_PASSWORD_AUTH", Door::Public, &listed), Ok(Flow::UserPassword));
        assert!(Flow::choose("USER_SRP_AUTH", Door::Public, &listed).is_err());
        assert!(Flow::choose("REFRESH_TOKEN_AUTH", Door::Public, &listed).is_err());
    }

    #[test]
    fn admin_flows_do_not_open_to_the_public_door_nor_the_other_way() {
        let listed = flows(&["ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"]);
        assert!(Flow::choose("ADMIN_USER_PASSWORD_AUTH", Door::Public, &listed).is_err());
        assert!(Flow::choose("ADMIN_NO_SRP_AUTH", Door::Public, &listed).is_err());
        assert!(Flow::choose("USER_PASSWORD_AUTH", Door::Admin, &listed).is_err());
    }

    #[test]
    fn unknown_and_unsupported_flows_are_refused() {
        for name in ["", "SUPER_AUTH", "USER_AUTH", "CUSTOM_AUTH"] {
            assert!(Flow::choose(name, Door::Public, &[]).is_err(), "{name}");
        }
    }

    #[test]
    fn old_and_new_names_do_not_mix() {
        assert!(check_listed(&flows(&["ADMIN_NO_SRP_AUTH", "ALLOW_USER_SRP_AUTH"])).is_err());
        assert_eq!(check_listed(&flows(&["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])), Ok(()));
    }
}
