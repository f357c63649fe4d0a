//! `DescribeHandshake`: an invitation.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DescribeHandshake, DescribeHandshakeInput, DescribeHandshakeOutput, Error},
};

impl Operation<DescribeHandshake> for Organizations {
    fn access(&self, input: &DescribeHandshakeInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:DescribeHandshake", &[&input.handshake_id], None, caller)
    }

    // AWS: API reference: any account of a handshake may ask, also one in no organisation; the model does not list the error
    // for those. Accounts are made here, not invited: there are no handshakes.
    async fn run(&self, _call: Call<DescribeHandshake>) -> Result<DescribeHandshakeOutput, Error> {
        // AWS: text of HandshakeNotFoundException.
        Err(Error::handshake_not_found_exception("You specified a handshake that doesn't exist."))
    }
}
