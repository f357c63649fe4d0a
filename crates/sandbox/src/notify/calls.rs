// tidy: table
//! The calls that name a file to open or change, and where among their arguments the name is.

use super::boundary::Purpose;

/// One path of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    /// Argument with the folder a relative path starts from; `None`: the working directory.
    pub(super) folder: Option<usize>,
    /// Argument with the path.
    pub(super) path: usize,
    pub(super) purpose: Aim,
}

/// How to know what the call is to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim {
    /// It changes something.
    Known(Purpose),
    /// Flags of `open` in this argument.
    Flags(usize),
    /// A pointer to flags of `openat2` in this argument.
    FlagsAt(usize),
}

/// The paths of a watched call; none for every other call.
pub(super) fn named(call: libc::c_long) -> Vec<Named> {
    if call == libc::SYS_openat {
        return vec![Named { folder: Some(0), path: 1, purpose: Aim::Flags(2) }];
    }
    if call == libc::SYS_openat2 {
        return vec![Named { folder: Some(0), path: 1, purpose: Aim::FlagsAt(2) }];
    }
    #[cfg(target_arch = "x86_64")]
    if call == libc::SYS_open {
        return vec![Named { folder: None, path: 0, purpose: Aim::Flags(1) }];
    }
    let purpose = Aim::Known(Purpose::Write);
    let listed = CHANGES.iter().filter(|(number, ..)| *number == call);
    listed.map(|(_, folder, path)| Named { folder: *folder, path: *path, purpose }).collect()
}

/// Calls that change what a path names: number, argument of the folder, argument of the path.
#[rustfmt::skip]
const CHANGES: &[(libc::c_long, Option<usize>, usize)] = &[
    (libc::SYS_truncate, None, 0),
    (libc::SYS_mkdirat, Some(0), 1),
    (libc::SYS_unlinkat, Some(0), 1),
    (libc::SYS_renameat2, Some(0), 1), (libc::SYS_renameat2, Some(2), 3),
    (libc::SYS_renameat, Some(0), 1), (libc::SYS_renameat, Some(2), 3),
    (libc::SYS_linkat, Some(2), 3),
    (libc::SYS_symlinkat, Some(1), 2),
    (libc::SYS_mknodat, Some(0), 1),
    (libc::SYS_fchmodat, Some(0), 1),
    #[cfg(target_arch = "x86_64")] (libc::SYS_creat, None, 0),
    #[cfg(target_arch = "x86_64")] (libc::SYS_mkdir, None, 0),
    #[cfg(target_arch = "x86_64")] (libc::SYS_rmdir, None, 0),
    #[cfg(target_arch = "x86_64")] (libc::SYS_unlink, None, 0),
    #[cfg(target_arch = "x86_64")] (libc::SYS_rename, None, 0),
    #[cfg(target_arch = "x86_64")] (libc::SYS_rename, None, 1),
    #[cfg(target_arch = "x86_64")] (libc::SYS_link, None, 1),
    #[cfg(target_arch = "x86_64")] (libc::SYS_symlink, None, 1),
    #[cfg(target_arch = "x86_64")] (libc::SYS_mknod, None, 0),
    #[cfg(target_arch = "x86_64")] (libc::SYS_chmod, None, 0),
];

/// Numbers of all watched calls.
pub(crate) fn watched() -> impl Iterator<Item = libc::c_long> {
    let opens = [libc::SYS_openat, libc::SYS_openat2];
    #[cfg(target_arch = "x86_64")]
    let opens = opens.into_iter().chain([libc::SYS_open]);
    opens.into_iter().chain(CHANGES.iter().map(|(number, ..)| *number))
}
