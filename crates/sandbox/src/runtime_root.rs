//! What a runtime sees of the world: a plan of exactly the files it needs, as they lie on the host.
//!
//! Paths inside equal the paths on the host, so that search paths and prefixes compiled into interpreters hold.
//! There is no shell and no other program. The plan is plain data; `spawner::stage` carries it out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    elf,
    spec::{BootstrapFile, Mount},
};

/// Everything a root consists of. All of it is read-only once assembled.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct RootPlan {
    /// Host files, directories and devices, bound in this order.
    pub(crate) binds: Vec<Bind>,
    /// Directories hidden under an empty one.
    pub(crate) covers: Vec<PathBuf>,
    /// Small files written out.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    /// Symbolic links: where, to what.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
}

/// One bind mount.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Bind {
    pub(crate) mount: Mount,
    pub(crate) kind: BindKind,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum BindKind {
    File,
    Directory,
    Device,
}

impl RootPlan {
    /// The part every runtime of the host has: devices, `/etc`, certificates, time zones.
    pub(crate) fn base() -> Self {
        let mut plan = Self::devices();
        for (path, text) in ETC {
            plan.files.push((PathBuf::from(path), text.as_bytes().to_vec()));
        }
        plan.add_certificates();
        if Path::new("/usr/share/zoneinfo").is_dir() {
            plan.bind(Path::new("/usr/share/zoneinfo"), BindKind::Directory);
        }
        plan
    }

    /// Devices alone.
    pub(crate) fn devices() -> Self {
        let mut plan = Self::default();
        for device in ["null", "zero", "full", "random", "urandom"] {
            plan.bind(&Path::new("/dev").join(device), BindKind::Device);
        }
        for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0")] {
            plan.links.push((Path::new("/dev").join(name), PathBuf::from(target)));
        }
        for (name, target) in [("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")] {
            plan.links.push((Path::new("/dev").join(name), PathBuf::from(target)));
        }
        plan
    }

    fn add_certificates(&mut self) {
        let Some(bundle) = CERTIFICATES.iter().find_map(|path| fs::read(path).ok()) else { return };
        self.files.push((PathBuf::from("/etc/ssl/certs/ca-certificates.crt"), bundle));
        for link in ["/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt", "/usr/lib/ssl/cert.pem"] {
            let target = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
            self.links.push((PathBuf::from(link), target));
        }
    }

    /// Where the files lie that the runtime may look at: folders bound whole, links, and what they lead to.
    pub(crate) fn contained(&self) -> Vec<PathBuf> {
        let folders = self.binds.iter().map(|bind| bind.mount.at.clone());
        let linked = self.links.iter().flat_map(|(link, target)| [link.clone(), target.clone()]);
        let unique: BTreeSet<PathBuf> =
            folders.chain(linked).filter(|path| path.is_absolute() && !path.starts_with("/proc")).collect();
        unique.into_iter().collect()
    }

    /// Binds a host path at the same path inside.
    pub(crate) fn bind(&mut self, path: &Path, kind: BindKind) {
        let mount = Mount { host: path.to_path_buf(), at: path.to_path_buf() };
        self.binds.push(Bind { mount, kind });
    }

    /// Adds a program's or library's shared libraries and loader, and theirs.
    pub(crate) fn add_libraries(&mut self, objects: &[PathBuf]) -> io::Result<()> {
        let mut found = Libraries::new();
        for object in objects {
            found.add(object)?;
        }
        let folders = self.binds.iter().filter(|bind| bind.kind == BindKind::Directory);
        let folders: Vec<PathBuf> = folders.map(|bind| bind.mount.at.clone()).collect();
        // What lies in a folder that is shown whole is there already.
        let further =
            found.files.into_iter().filter(|(at, _)| !folders.iter().any(|folder| at.starts_with(folder)));
        for (at, host) in further {
            self.binds.push(Bind { mount: Mount { host, at }, kind: BindKind::File });
        }
        Ok(())
    }

    /// Adds libraries by name where the host has them; code from packages commonly needs these.
    pub(crate) fn add_common_libraries(&mut self) {
        let mut found = Libraries::new();
        for name in COMMON_LIBRARIES {
            found.add_named(name, &[]);
        }
        let known: BTreeSet<PathBuf> = self.binds.iter().map(|bind| bind.mount.at.clone()).collect();
        for (at, host) in found.files.into_iter().filter(|(at, _)| !known.contains(at)) {
            self.binds.push(Bind { mount: Mount { host, at }, kind: BindKind::File });
        }
    }

    /// With all of another.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.binds.extend(other.binds);
        self.covers.extend(other.covers);
        self.files.extend(other.files);
        self.links.extend(other.links);
        self
    }

    /// Adds the caller's bootstrap files and mounts.
    pub(crate) fn with_bootstrap(
        mut self,
        files: Vec<BootstrapFile>,
        mounts: Vec<Mount>,
    ) -> io::Result<Self> {
        for file in files {
            if file.name.is_empty() || file.name.contains(['/', '\0']) || file.name.starts_with('.') {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "bootstrap file name"));
            }
            self.files.push((Path::new("/var/runtime").join(file.name), file.contents));
        }
        for mount in mounts {
            let kind = if mount.host.is_dir() { BindKind::Directory } else { BindKind::File };
            self.binds.push(Bind { mount, kind });
        }
        Ok(self)
    }
}

/// The loader and shared libraries a program needs: (path where it looks for them, file on this host), by path.
pub fn shared_libraries(program: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Libraries::new();
    found.add(program)?;
    Ok(found.files.into_iter().collect())
}

/// Shared libraries found so far: path inside → path on the host.
struct Libraries {
    files: BTreeMap<PathBuf, PathBuf>,
    seen: BTreeSet<PathBuf>,
}

impl Libraries {
    fn new() -> Self {
        Self { files: BTreeMap::new(), seen: BTreeSet::new() }
    }

    fn add(&mut self, object: &Path) -> io::Result<()> {
        if !self.seen.insert(object.to_path_buf()) {
            return Ok(());
        }
        let needs = elf::needs(object)?;
        if let Some(loader) = needs.loader {
            let host = loader.canonicalize()?;
            self.files.insert(loader, host);
        }
        for name in needs.libraries {
            self.add_named(&name, &needs.search);
        }
        Ok(())
    }

    /// A library that is nowhere is left out: the loader will say so in its own words, into the function's log.
    fn add_named(&mut self, name: &str, search: &[PathBuf]) {
        let in_folder = |folder: &Path| Some(folder.join(name)).filter(|path| path.exists());
        let own = search.iter().find_map(|folder| in_folder(folder));
        let system = || LIBRARY_FOLDERS.iter().find_map(|folder| in_folder(Path::new(folder)));
        let (at, found) = if let Some(path) = own.or_else(system) {
            (path.clone(), path)
        } else {
            // The loader has no cache inside: what only the cache knows goes where it looks by itself.
            let configured = CONFIGURED_FOLDERS.iter().find_map(|folder| in_folder(Path::new(folder)));
            let libc = LIBRARY_FOLDERS.iter().map(Path::new).find(|folder| folder.join("libc.so.6").exists());
            let Some((found, folder)) = configured.zip(libc) else { return };
            (folder.join(name), found)
        };
        let Ok(host) = found.canonicalize() else { return };
        if self.files.insert(at.clone(), host).is_none() && self.add(&found).is_err() {
            self.files.remove(&at);
        }
    }
}

/// Where loaders look by themselves, Debian's and others' ways.
const LIBRARY_FOLDERS: [&str; 7] = [
    concat!("/lib/", "x86_64-linux-gnu"),
    concat!("/usr/lib/", "x86_64-linux-gnu"),
    concat!("/lib/", "aarch64-linux-gnu"),
    concat!("/usr/lib/", "aarch64-linux-gnu"),
    "/lib64",
    "/usr/lib64",
    "/usr/lib",
];

/// Where distributions let locally built libraries lie.
const CONFIGURED_FOLDERS: [&str; 2] = ["/usr/local/lib", "/usr/local/lib64"];

/// What compiled extensions in packages commonly link to.
const COMMON_LIBRARIES: [&str; 11] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libgcc_s.so.1",
    "libstdc++.so.6",
];

/// Bundles of certificate authorities, by distribution family.
const CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// User inside every environment.
// AWS: functions run as `sbx_user1051`, uid 993, gid 990.
pub(crate) const USER_ID: u32 = 993;
/// Group inside every environment.
pub(crate) const GROUP_ID: u32 = 990;

pub(crate) const ETC: [(&str, &str); 5] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nsbx_user1051:x:990:\n"),
    ("/etc/hosts", "127.0.0.1 localhost sandbox.localdomain sandbox\n"),
    // Nothing listens on port 53 inside, so look-ups fail at once instead of waiting.
    ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];
