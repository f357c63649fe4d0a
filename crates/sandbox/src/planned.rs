//! The root of a template as data, for whoever makes the same root elsewhere: a machine that has a copy of its files on a disk.
//!
//! What is shown, hidden, written and linked is exactly what the template was assembled from. Knows no disks.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    contents::Contents,
    driver::Driver,
    error::StartError,
    runtime_root::{Bind, BindKind, RootPlan},
    runtimes::{HostFile, Runtime},
    spec::{Mount, Template, TemplateInner},
};

/// See the module.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PlannedRoot {
    runtime_id: String,
    plan: RootPlan,
    task: Option<PathBuf>,
}

/// Where a package is shown, which some roots bring themselves.
const TASK: &str = "/var/task";

impl PlannedRoot {
    /// The runtime it was made for.
    pub fn runtime_id(&self) -> &str {
        &self.runtime_id
    }

    /// The same root with a package of its own, which lies in this folder.
    #[must_use]
    pub fn with_task(self, folder: PathBuf) -> Self {
        Self { task: Some(folder), ..self }
    }

    /// Where its own package lies, if it has one.
    pub fn task(&self) -> Option<&Path> {
        self.task.as_deref()
    }

    /// Files and folders of the host in it, its package included, without devices.
    pub fn shown(&self) -> Vec<HostFile> {
        let binds = self.plan.binds.iter().filter(|bind| bind.kind != BindKind::Device);
        let binds = binds.map(|bind| HostFile { host: bind.mount.host.clone(), at: bind.mount.at.clone() });
        let task = self.task.iter().map(|host| HostFile { host: host.clone(), at: TASK.into() });
        binds.chain(task).collect()
    }

    /// Folders in those that are hidden.
    pub fn hidden(&self) -> &[PathBuf] {
        &self.plan.covers
    }

    /// Files that are written out: path inside, contents.
    pub fn written(&self) -> &[(PathBuf, Vec<u8>)] {
        &self.plan.files
    }

    /// Links that are made: path inside, where to.
    pub fn links(&self) -> &[(PathBuf, PathBuf)] {
        &self.plan.links
    }

    /// The same root where all that is shown and written lies below a folder, at its path inside.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        let moved = |at: &Path| folder.join(at.strip_prefix("/").unwrap_or(at));
        let mut plan = self.plan;
        for bind in plan.binds.iter_mut().filter(|bind| bind.kind != BindKind::Device) {
            bind.mount.host = moved(&bind.mount.at);
        }
        let written = std::mem::take(&mut plan.files).into_iter();
        plan.binds.extend(
            written.map(|(at, _)| Bind { mount: Mount { host: moved(&at), at }, kind: BindKind::File }),
        );
        Self { runtime_id: self.runtime_id, plan, task: self.task.map(|_| moved(Path::new(TASK))) }
    }
}

impl Template {
    /// What it was assembled from.
    pub fn planned(&self) -> PlannedRoot {
        let TemplateInner { runtime_id, plan, .. } = &*self.inner;
        PlannedRoot { runtime_id: runtime_id.clone(), plan: plan.clone(), task: None }
    }

    /// Where the runtime begins: a path inside.
    pub fn working_dir(&self) -> &Path {
        &self.inner.working_dir
    }
}

impl Runtime {
    /// What its root is assembled from, without a bootstrap.
    pub fn planned(&self) -> io::Result<PlannedRoot> {
        Ok(PlannedRoot { runtime_id: self.id.clone(), plan: self.root()?, task: None })
    }
}

impl Driver {
    /// Assembles a root from files that nobody can change any more: they are neither digested nor looked at again.
    pub async fn prepare_planned(
        &self,
        root: PlannedRoot,
        argv: Vec<String>,
        working_dir: PathBuf,
    ) -> Result<Template, StartError> {
        let none = RootPlan::default();
        let contents = Contents::take(&none, &none).map_err(StartError::Supervisor)?;
        let PlannedRoot { runtime_id, plan, .. } = root;
        self.assembled((runtime_id, working_dir), argv, (plan, Arc::new(contents))).await
    }

    /// Whether the files of a template's root are still those it was assembled from: asked before anything is made of them
    /// elsewhere, and afterwards.
    pub async fn unchanged(&self, template: &Template) -> Result<(), StartError> {
        self.look(template).await
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::runtimes::RuntimeTable;

    #[test]
    fn what_lies_below_a_folder_is_shown_at_the_same_paths_and_nothing_else_of_the_host() {
        let table = RuntimeTable::discover(OsStr::new(""));
        let root = table.find("provided.al2023").unwrap().planned().unwrap().with_task("/srv/app".into());
        let (files, written, links) = (root.shown(), root.written().to_vec(), root.links().to_vec());
        assert!(!files.is_empty() && !written.is_empty());
        assert!(files.iter().any(|file| file.host == Path::new("/srv/app") && file.at == Path::new(TASK)));
        let moved = root.below(Path::new("/disk"));
        assert!(moved.written().is_empty());
        assert_eq!((moved.links(), moved.task()), (links.as_slice(), Some(Path::new("/disk/var/task"))));
        let shown = moved.shown();
        for file in &shown {
            assert_eq!(file.host, Path::new("/disk").join(file.at.strip_prefix("/").unwrap()));
        }
        let at = |file: &HostFile| file.at.clone();
        let mut before: Vec<_> = files.iter().map(at).chain(written.into_iter().map(|(at, _)| at)).collect();
        let mut after: Vec<_> = shown.iter().map(at).collect();
        before.sort();
        after.sort();
        assert_eq!(before, after);
        assert!(moved.plan.binds.iter().any(|bind| bind.kind == BindKind::Device));
        assert!(
            moved
                .plan
                .binds
                .iter()
                .all(|bind| bind.kind != BindKind::Device || bind.mount.host == bind.mount.at)
        );
    }
}
