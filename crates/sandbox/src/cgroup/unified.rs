//! A folder in the unified (v2) tree whose children have the controllers we need.
//!
//! The kernel lets a group hand controllers down only while it holds no process, the top group excepted. So: below
//! the group the server was started in, after server and spawner have stepped aside into a group of their own; and
//! where others live in that group too (a shell's session), below the top, as container engines do.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::cgroup::{Place, Version, put};

/// Where the unified tree is for this process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Tree {
    /// Its top, as far as this process can see.
    pub(super) top: PathBuf,
    /// The group this process is in.
    pub(super) own: PathBuf,
}

impl Tree {
    /// Groups below which a base may be made, the better first.
    pub(super) fn parents(&self) -> Vec<PathBuf> {
        // A second driver of the same process finds itself where the first has moved it.
        let own = if self.own.ends_with(ASIDE) { self.own.parent().unwrap_or(&self.own) } else { &self.own };
        let mut parents = vec![own.to_path_buf()];
        if own != self.top {
            parents.push(self.top.clone());
        }
        parents
    }

    /// Makes the base folder. One without the controllers is better than none: it can freeze and kill.
    pub(super) fn make_base(&self, name: &str, wanted: &[&str], movable: &[u32]) -> Option<Place> {
        let wanted = offered(&self.top, wanted);
        let mut spare: Option<PathBuf> = None;
        for parent in self.parents() {
            let base = parent.join(name);
            match fs::create_dir(&base) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => continue,
                _ => {}
            }
            let whole = parent == self.top;
            let handed = hand_down(&parent, &wanted, movable, whole).and_then(|()| enable(&base, &wanted));
            if handed.is_ok() {
                if let Some(spare) = spare {
                    let _ = fs::remove_dir(spare);
                }
                return Some(Place { path: base, version: Version::Two });
            }
            if spare.is_none() {
                spare = Some(base);
            } else {
                let _ = fs::remove_dir(base);
            }
        }
        spare.map(|path| Place { path, version: Version::Two })
    }
}

/// Which of the wanted controllers this folder has.
pub(super) fn offered<'name>(folder: &Path, wanted: &[&'name str]) -> Vec<&'name str> {
    let there = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    wanted.iter().copied().filter(|name| there.split_whitespace().any(|word| word == *name)).collect()
}

/// Lets the children of a group have the controllers, moving our own processes out of the way if need be. At the top
/// of a container (`whole`), everything in the container is ours to move.
fn hand_down(parent: &Path, wanted: &[&str], movable: &[u32], whole: bool) -> io::Result<()> {
    match enable(parent, wanted) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
        other => return other,
    }
    let aside = parent.join(ASIDE);
    match fs::create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let members = members(parent)?;
    let leaving: Vec<u32> = members.into_iter().filter(|pid| whole || movable.contains(pid)).collect();
    for pid in &leaving {
        move_to(&aside, *pid)?;
    }
    enable(parent, wanted).inspect_err(|_| {
        // Others live here: back to where we were started.
        for pid in &leaving {
            let _ = move_to(parent, *pid);
        }
        let _ = fs::remove_dir(&aside);
    })
}

/// All at once: either every controller or none.
fn enable(folder: &Path, wanted: &[&str]) -> io::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let line: Vec<String> = wanted.iter().map(|name| format!("+{name}")).collect();
    put(folder, "cgroup.subtree_control", &line.join(" "))
}

fn members(folder: &Path) -> io::Result<Vec<u32>> {
    let text = fs::read_to_string(folder.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

fn move_to(folder: &Path, pid: u32) -> io::Result<()> {
    put(folder, "cgroup.procs", &pid.to_string())
}

const ASIDE: &str = "casemate-server";

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// The one controller that the unified tree of the test machine has stands for those we want.
    const STAND_IN: [&str; 1] = ["hugetlb"];

    /// A group with two processes in it, below a top that hands the stand-in down.
    struct Session {
        tree: Tree,
        shell: Child,
        server: Child,
    }

    impl Session {
        fn new(name: &str) -> Self {
            let unified = Path::new("/sys/fs/cgroup/unified");
            let real = if unified.exists() { unified } else { Path::new("/sys/fs/cgroup") };
            enable(real, &STAND_IN).unwrap();
            let top = real.join(format!("test-{}-{name}", std::process::id()));
            let own = top.join("session");
            fs::create_dir(&top).unwrap();
            enable(&top, &STAND_IN).unwrap();
            fs::create_dir(&own).unwrap();
            let process = || Command::new("sleep").arg("1000").spawn().unwrap();
            let (shell, server) = (process(), process());
            move_to(&own, server.id()).unwrap();
            Self { tree: Tree { top, own }, shell, server }
        }
    }

    impl Drop for Session {
        fn drop(&mut self) {
            for child in [&mut self.shell, &mut self.server] {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            for below in ["session/casemate-server", "session/base", "session", "base", ""] {
                let _ = fs::remove_dir(self.tree.top.join(below));
            }
        }
    }

    #[test]
    fn server_alone_in_its_group_steps_aside_and_gets_the_controllers() {
        let session = Session::new("alone");
        let base = session.tree.make_base("base", &STAND_IN, &[session.server.id()]).unwrap();
        assert_eq!(base.path, session.tree.own.join("base"));
        assert_eq!(members(&session.tree.own.join(ASIDE)).unwrap(), [session.server.id()]);
        fs::create_dir(base.path.join("env")).unwrap();
        assert_eq!(offered(&base.path.join("env"), &STAND_IN), STAND_IN);
        fs::remove_dir(base.path.join("env")).unwrap();
        let moved = Tree { own: session.tree.own.join(ASIDE), top: session.tree.top.clone() };
        assert_eq!(moved.parents(), session.tree.parents());
    }

    #[test]
    fn server_among_others_stays_and_gets_a_folder_below_the_top() {
        let session = Session::new("others");
        move_to(&session.tree.own, session.shell.id()).unwrap();
        let base = session.tree.make_base("base", &STAND_IN, &[session.server.id()]).unwrap();
        assert_eq!(base.path, session.tree.top.join("base"));
        let mut left = members(&session.tree.own).unwrap();
        left.sort_unstable();
        let mut both = [session.shell.id(), session.server.id()];
        both.sort_unstable();
        assert_eq!(left, both, "nobody was moved for good");
        assert!(!session.tree.own.join("base").exists() && !session.tree.own.join(ASIDE).exists());
        fs::create_dir(base.path.join("env")).unwrap();
        assert_eq!(offered(&base.path.join("env"), &STAND_IN), STAND_IN);
        fs::remove_dir(base.path.join("env")).unwrap();
    }

    #[test]
    fn tree_without_controllers_still_gives_a_folder_to_freeze_in() {
        let session = Session::new("none");
        let base = session.tree.make_base("base", &["memory"], &[session.server.id()]).unwrap();
        assert_eq!(base.path, session.tree.own.join("base"));
        assert_eq!(members(&session.tree.own).unwrap(), [session.server.id()]);
    }
}
