//! Shows an environment that was started without code what it is for: mounts it into the mount namespace of a running process.
//!
//! A helper of the spawner enters that namespace, attaches the mounts, and ends. It runs nothing of the environment's, is in
//! none of its other namespaces, and the names it follows lead through the read-only root that the template gave it. What has
//! its code already is refused: no environment is ever shown a second function's.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use crate::{
    error::{Failure, Step, at},
    spawner::stage,
    sys,
    wire::Report,
};

/// Attaches code and layers.
pub(super) fn bind(process: &OwnedFd, code_dir: &Path, layers_dir: Option<&Path>) -> Report {
    match try_bind(process, code_dir, layers_dir) {
        Ok(()) => Report::Bound,
        Err(failure) => Report::Failed(failure),
    }
}

fn try_bind(process: &OwnedFd, code_dir: &Path, layers_dir: Option<&Path>) -> Result<(), Failure> {
    let code = stage::code_mount(code_dir)?;
    let layers = layers_dir.map(stage::code_mount).transpose()?;
    let (told, teller) = sys::pipe().map_err(at(Step::HandOver))?;
    let helper = match sys::fork().map_err(at(Step::Clone))? {
        0 => {
            let done = enter_and_attach(process, &code, layers.as_ref());
            if let Err(failure) = &done {
                let _ = File::from(teller).write_all(&serde_json::to_vec(failure).unwrap_or_default());
            }
            sys::exit_now(i32::from(done.is_err()))
        }
        helper => helper,
    };
    drop(teller);
    let mut failure = Vec::new();
    let heard = File::from(told).read_to_end(&mut failure);
    let ended_well = end_of(helper).map_err(at(Step::Enter))?;
    heard.map_err(at(Step::Enter))?;
    if ended_well {
        return Ok(());
    }
    let unknown = || Failure::new(Step::Enter, &io::Error::from_raw_os_error(libc::EIO));
    Err(serde_json::from_slice(&failure).unwrap_or_else(|_| unknown()))
}

fn enter_and_attach(process: &OwnedFd, code: &OwnedFd, layers: Option<&OwnedFd>) -> Result<(), Failure> {
    // SAFETY: an open descriptor and an integer.
    let entered = unsafe { libc::setns(process.as_raw_fd(), libc::CLONE_NEWNS) };
    sys::check(libc::c_long::from(entered)).map_err(at(Step::Enter))?;
    // Where nothing is attached yet, the folder lies in the same file system as the root. Of the two folders only this one is
    // never a runtime's own.
    let device = |path| fs::metadata(path).map(|found| found.dev()).map_err(at(Step::MountCode));
    if device(CODE)? != device("/")? {
        return Err(Failure::new(Step::MountCode, &io::Error::from_raw_os_error(libc::EBUSY)));
    }
    sys::move_mount(code.as_fd(), Path::new(CODE)).map_err(at(Step::MountCode))?;
    layers.map_or(Ok(()), |layers| {
        sys::move_mount(layers.as_fd(), Path::new(LAYERS)).map_err(at(Step::MountLayers))
    })
}

/// Waits for the helper; whether all went well.
fn end_of(helper: libc::pid_t) -> io::Result<bool> {
    let mut status = 0;
    loop {
        // SAFETY: the integer outlives the call.
        let waited = unsafe { libc::waitpid(helper, &raw mut status, 0) };
        match sys::check(libc::c_long::from(waited)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map(|_| libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0),
        }
    }
}

const CODE: &str = "/var/task";
const LAYERS: &str = "/opt";
