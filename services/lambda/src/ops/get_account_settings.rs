//! `GetAccountSettings`: quotas and what is used of them.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        AccountLimit, AccountUsage, Error, GetAccountSettings, GetAccountSettingsInput,
        GetAccountSettingsOutput,
    },
    function::{Function, reserved_in_all},
    layer::LayerVersion,
    package::{PACKED_BYTES_MAX, UNPACKED_BYTES_MAX},
    resource::functions_key,
    throttle::CONCURRENT_MAX,
    version::Published,
};

/// All packages of an account together, in bytes.
// AWS: 75 GB (Lambda quotas). Shown, not enforced: the disk is the operator's.
const CODE_BYTES_MAX: i64 = 80_530_636_800;

impl Operation<GetAccountSettings> for Lambda {
    fn access(&self, _input: &GetAccountSettingsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("lambda:GetAccountSettings"))
    }

    async fn run(&self, call: Call<GetAccountSettings>) -> Result<GetAccountSettingsOutput, Error> {
        let all = functions_key(call.scope());
        let functions = self.env.store.read(|tx| tx.scan::<Function>(&all, None, usize::MAX))?;
        let bytes = self.env.store.read(|tx| {
            let versions = tx.scan::<Published>(&all, None, usize::MAX)?;
            let layers = tx.scan::<LayerVersion>(&all, None, usize::MAX)?;
            let versions = versions.iter().map(|(_, Published(version))| version.code_bytes);
            let layers = layers.iter().map(|(_, version)| version.code_bytes);
            // AWS: every version's package counts, also where it is the same.
            let all = functions.iter().map(|(_, function)| function.code_bytes).chain(versions).chain(layers);
            Ok::<u64, Error>(all.sum())
        })?;
        let reserved = reserved_in_all(functions.iter().map(|(_, function)| function));
        Ok(GetAccountSettingsOutput {
            account_limit: Some(AccountLimit {
                total_code_size: Some(CODE_BYTES_MAX),
                code_size_unzipped: i64::try_from(UNPACKED_BYTES_MAX).ok(),
                code_size_zipped: i64::try_from(PACKED_BYTES_MAX).ok(),
                concurrent_executions: i32::try_from(CONCURRENT_MAX).ok(),
                unreserved_concurrent_executions: i32::try_from(CONCURRENT_MAX.saturating_sub(reserved)).ok(),
            }),
            account_usage: Some(AccountUsage {
                total_code_size: i64::try_from(bytes).ok(),
                function_count: i64::try_from(functions.len()).ok(),
            }),
        })
    }
}
