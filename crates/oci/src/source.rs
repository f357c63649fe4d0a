//! Where an image lies: a folder with an OCI layout, or an archive of one (`oci-archive`), or what `docker save` wrote; each
//! archive plain or gzipped. Gives out blobs by digest, and which image is meant.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::{
    Digest, OciError, Platform,
    digest::{Digesting, is_too_much},
    document::{Config, Descriptor, Listed, Manifest},
    names,
};

/// An image that was chosen, its documents verified.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) config: Config,
    /// Digests of the layers unpacked.
    pub(crate) diff_ids: Vec<Digest>,
}

/// The files of an image.
#[derive(Debug)]
pub(crate) struct Source {
    place: Place,
    /// Blobs of a classic `docker save`, by digest: where each lies in the archive.
    classic: BTreeMap<Digest, String>,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Archive { file: Arc<File>, entries: BTreeMap<String, Span> },
}

#[derive(Debug, Clone, Copy)]
struct Span {
    at: u64,
    length: u64,
}

/// Bytes of one JSON document.
// OCI: registries need not take manifests beyond 4 MiB (distribution specification, "Pushing Manifests").
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 4 << 20;
/// Documents looked at for one image: indexes may hold indexes. Ours.
const DOCUMENTS_MAX: usize = 64;
/// Entries of an archive. Ours: each layer has two or three.
const ARCHIVE_ENTRIES_MAX: usize = 10_000;
/// Bytes of an archive. Ours: the largest image, packed badly, with some room.
pub(crate) const ARCHIVE_BYTES_MAX: u64 = 12 << 30;

impl Source {
    /// Opens what lies at `path`. A gzipped archive is unpacked to a file in `scratch` first.
    pub(crate) fn open(path: &Path, scratch: &Path) -> Result<Self, OciError> {
        let kind = fs::metadata(path).map_err(OciError::io(path))?;
        if kind.is_dir() {
            return Ok(Self { place: Place::Folder(path.to_owned()), classic: BTreeMap::new() });
        }
        let file = open(path)?;
        let mut magic = [0; 2];
        let read = file.read_at(&mut magic, 0).map_err(OciError::io(path))?;
        let file = if read == 2 && magic == GZIP { inflated(file, path, scratch)? } else { file };
        let entries = index(&file, path)?;
        let place = Place::Archive { file: Arc::new(file), entries };
        Ok(Self { place, classic: BTreeMap::new() })
    }

    /// Finds the image for `platform`; the one called `select`, if there are several.
    pub(crate) fn choose(&mut self, platform: &Platform, select: Option<&str>) -> Result<Chosen, OciError> {
        if self.has("oci-layout") || self.has("index.json") {
            return self.choose_in_layout(platform, select);
        }
        if self.has("manifest.json") {
            return self.choose_classic(platform, select);
        }
        Err(OciError::malformed("there is neither an OCI layout nor what `docker save` writes"))
    }

    /// A blob's bytes, at most as many as its descriptor says; whether they are the right ones, the reader has to find out.
    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<Digesting<Box<dyn Read>>, OciError> {
        let name = match self.classic.get(&descriptor.digest) {
            Some(name) => name.clone(),
            None => format!("blobs/sha256/{}", descriptor.digest.hex()),
        };
        Ok(Digesting::new(self.file(&name)?, descriptor.size))
    }

    /// The whole of a small blob, verified.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, OciError> {
        if descriptor.size > DOCUMENT_BYTES_MAX {
            return Err(too_large_document());
        }
        let mut bytes = Vec::new();
        let mut reader = self.blob(descriptor)?;
        reader.read_to_end(&mut bytes).map_err(|error| failed(error, descriptor))?;
        verify(reader.finish().map_err(|error| failed(error, descriptor))?, descriptor)?;
        Ok(bytes)
    }

    fn choose_in_layout(&self, platform: &Platform, select: Option<&str>) -> Result<Chosen, OciError> {
        if self.has("oci-layout") {
            let layout: Layout = parse("oci-layout", &self.small("oci-layout")?)?;
            if layout.version != "1.0.0" {
                return Err(OciError::malformed(format!("the layout is of version {:?}", layout.version)));
            }
        }
        let Listed::Index(mut open) = Listed::read(&self.small("index.json")?, "")? else {
            return Err(OciError::malformed("index.json is no index"));
        };
        if let Some(name) = select {
            open.retain(|one| one.name() == Some(name) || one.digest.to_string() == name);
        }
        let (mut found, mut others, mut documents): (Vec<(Descriptor, Chosen)>, Vec<String>, usize) =
            (Vec::new(), Vec::new(), 0);
        while let Some(descriptor) = open.pop() {
            // Attestations and the like say that they are for no platform at all.
            if let Some(other) = descriptor.platform.as_ref().filter(|one| *one != platform) {
                others.push(format!("{}/{}", other.os, other.architecture));
                continue;
            }
            documents += 1;
            if documents > DOCUMENTS_MAX {
                return Err(OciError::TooLarge(format!("there are more than {DOCUMENTS_MAX} manifests")));
            }
            match Listed::read(&self.document(&descriptor)?, &descriptor.media_type)? {
                Listed::Index(more) => open.extend(more),
                Listed::Manifest(manifest) => {
                    if found.iter().any(|(one, _)| one.digest == descriptor.digest) {
                        continue;
                    }
                    let (config, of, diff_ids) = Config::read(&self.document(&manifest.config)?)?;
                    if of == *platform {
                        let digest = descriptor.digest;
                        found.push((descriptor, Chosen { digest, manifest, config, diff_ids }));
                    } else {
                        others.push(format!("{}/{}", of.os, of.architecture));
                    }
                }
            }
        }
        one(found, &others)
    }

    /// What Docker wrote before it knew OCI: a list of configurations and layers, none with a digest of its own. The manifest is
    /// made from them here, and so is the image's digest.
    fn choose_classic(&mut self, platform: &Platform, select: Option<&str>) -> Result<Chosen, OciError> {
        let mut all: Vec<Saved> = parse("manifest.json", &self.small("manifest.json")?)?;
        if let Some(name) = select {
            all.retain(|saved| saved.repo_tags.iter().flatten().any(|tag| tag == name));
        }
        let mut found = Vec::new();
        for saved in all {
            let bytes = self.small(&saved.config)?;
            let (config, of, diff_ids) = Config::read(&bytes)?;
            if of != *platform {
                return Err(OciError::Platform(format!("it is for {}/{}", of.os, of.architecture)));
            }
            if diff_ids.len() != saved.layers.len() {
                return Err(OciError::malformed(
                    "the image's configuration names other layers than its list",
                ));
            }
            let own = Digest::of(&bytes);
            let name =
                saved.config.trim_end_matches(".json").rsplit('/').next().unwrap_or_default().to_owned();
            if name != own.hex() {
                return Err(OciError::Digest { named: saved.config, found: own.to_string() });
            }
            self.classic.insert(own, saved.config);
            let mut layers = Vec::new();
            for (digest, name) in diff_ids.iter().zip(saved.layers) {
                let size = self.size(&name)?;
                self.classic.insert(*digest, name);
                layers.push((*digest, size));
            }
            let (digest, manifest) = manifest_of((own, bytes.len() as u64), &layers)?;
            let called = saved.repo_tags.unwrap_or_default().join(" ");
            found.push((called, Chosen { digest, manifest, config, diff_ids }));
        }
        let names = found.iter().map(|(name, _)| name.clone()).collect();
        match found.len() {
            0 => Err(OciError::malformed("there is no such image in the archive")),
            1 => found.pop().map(|(_, chosen)| chosen).ok_or(OciError::Ambiguous(names)),
            _ => Err(OciError::Ambiguous(names)),
        }
    }

    fn has(&self, name: &str) -> bool {
        match &self.place {
            Place::Folder(folder) => folder.join(name).is_file(),
            Place::Archive { entries, .. } => entries.contains_key(name),
        }
    }

    /// A small file whose digest nothing tells.
    fn small(&self, name: &str) -> Result<Vec<u8>, OciError> {
        let mut bytes = Vec::new();
        let read = self.file(name)?.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes);
        let length = read.map_err(OciError::io(name))?;
        if length as u64 > DOCUMENT_BYTES_MAX {
            return Err(too_large_document());
        }
        Ok(bytes)
    }

    fn size(&self, name: &str) -> Result<u64, OciError> {
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(safe(name)?);
                fs::metadata(&path).map(|found| found.len()).map_err(OciError::io(path))
            }
            Place::Archive { entries, .. } => {
                entries.get(name).map(|span| span.length).ok_or_else(|| missing(name))
            }
        }
    }

    fn file(&self, name: &str) -> Result<Box<dyn Read>, OciError> {
        match &self.place {
            Place::Folder(folder) => Ok(Box::new(open(&folder.join(safe(name)?))?)),
            Place::Archive { file, entries, .. } => {
                let span = *entries.get(name).ok_or_else(|| missing(name))?;
                Ok(Box::new(Part { file: Arc::clone(file), span }))
            }
        }
    }
}

/// Compares what was read with what was announced.
pub(crate) fn verify((digest, size): (Digest, u64), descriptor: &Descriptor) -> Result<(), OciError> {
    if size != descriptor.size {
        return Err(OciError::Size { blob: descriptor.digest.to_string(), said: descriptor.size });
    }
    if digest != descriptor.digest {
        return Err(OciError::Digest { named: descriptor.digest.to_string(), found: digest.to_string() });
    }
    Ok(())
}

/// An error while a blob was read.
pub(crate) fn failed(error: io::Error, descriptor: &Descriptor) -> OciError {
    if is_too_much(&error) {
        return OciError::Size { blob: descriptor.digest.to_string(), said: descriptor.size };
    }
    OciError::Io(PathBuf::from(descriptor.digest.to_string()), error)
}

fn one(mut found: Vec<(Descriptor, Chosen)>, others: &[String]) -> Result<Chosen, OciError> {
    let shown = |(descriptor, chosen): &(Descriptor, Chosen)| {
        descriptor.name().map_or_else(|| chosen.digest.to_string(), str::to_owned)
    };
    match found.len() {
        0 if others.is_empty() => Err(OciError::malformed("there is no such image")),
        0 => Err(OciError::Platform(format!("it is for {}", others.join(", ")))),
        1 => {
            found.pop().map(|(_, chosen)| chosen).ok_or_else(|| OciError::malformed("there is no such image"))
        }
        _ => Err(OciError::Ambiguous(found.iter().map(shown).collect())),
    }
}

fn manifest_of(
    (config, size): (Digest, u64),
    layers: &[(Digest, u64)],
) -> Result<(Digest, Manifest), OciError> {
    let part = |kind: &str, digest: &Digest, size: u64| serde_json::json!({ "mediaType": kind, "digest": digest, "size": size });
    let text = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": part("application/vnd.oci.image.config.v1+json", &config, size),
        "layers": layers
            .iter()
            .map(|(digest, size)| part("application/vnd.oci.image.layer.v1.tar", digest, *size))
            .collect::<Vec<_>>(),
    })
    .to_string();
    match Listed::read(text.as_bytes(), "")? {
        Listed::Manifest(manifest) => Ok((Digest::of(text.as_bytes()), manifest)),
        Listed::Index(_) => Err(OciError::malformed("a manifest became an index")),
    }
}

/// A relative name without `..`, from a document.
fn safe(name: &str) -> Result<&str, OciError> {
    if name.starts_with('/') || name.contains('\0') || name.split('/').any(|part| part == "..") {
        return Err(OciError::malformed(format!("{name:?} is not the name of a file in the image")));
    }
    Ok(name)
}

/// Opens a file and nothing else.
fn open(path: &Path) -> Result<File, OciError> {
    let file =
        fs::OpenOptions::new().read(true).custom_flags(NO_WAITING).open(path).map_err(OciError::io(path))?;
    if !file.metadata().map_err(OciError::io(path))?.is_file() {
        return Err(OciError::malformed(format!("`{}` is not a file", path.display())));
    }
    Ok(file)
}

/// Unpacks a gzipped archive into a file of its own that has no name any more.
fn inflated(packed: File, path: &Path, scratch: &Path) -> Result<File, OciError> {
    let target = scratch.join("archive.tar");
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&target)
        .map_err(OciError::io(&target))?;
    fs::remove_file(&target).map_err(OciError::io(&target))?;
    let packed_bytes = packed.metadata().map_err(OciError::io(path))?.len();
    let most = inflated_max(packed_bytes).min(ARCHIVE_BYTES_MAX);
    let mut unpacked = MultiGzDecoder::new(packed).take(most + 1);
    let length = io::copy(&mut unpacked, &mut file).map_err(OciError::io(path))?;
    if length > most {
        return Err(OciError::TooLarge(format!("the archive has more than {most} bytes unpacked")));
    }
    Ok(file)
}

/// To how many bytes so many gzipped ones may grow. Ours: ordinary layers grow fourfold, gzip's most is a thousandfold.
pub(crate) fn inflated_max(packed_bytes: u64) -> u64 {
    packed_bytes.saturating_mul(INFLATION_MAX).max(INFLATION_FREE_BYTES)
}

const INFLATION_MAX: u64 = 300;
/// What every blob may grow to.
const INFLATION_FREE_BYTES: u64 = 64 << 20;

/// Where the files of an archive lie in it; links of the archive lead to other files of it, once.
fn index(file: &File, path: &Path) -> Result<BTreeMap<String, Span>, OciError> {
    let whole = Span { at: 0, length: file.metadata().map_err(OciError::io(path))?.len() };
    if whole.length > ARCHIVE_BYTES_MAX {
        return Err(OciError::TooLarge(format!("the archive has more than {ARCHIVE_BYTES_MAX} bytes")));
    }
    let reader = Part { file: Arc::new(file.try_clone().map_err(OciError::io(path))?), span: whole };
    let mut archive = tar::Archive::new(reader);
    let (mut entries, mut links): (BTreeMap<String, Span>, BTreeMap<String, String>) = Default::default();
    let unreadable = |error: io::Error| OciError::malformed(format!("the archive cannot be read: {error}"));
    let mut all = names::Named::new(archive.entries().map_err(unreadable)?);
    while let Some(named) = all.next()? {
        if entries.len() + links.len() >= ARCHIVE_ENTRIES_MAX {
            return Err(OciError::TooLarge(format!(
                "the archive has more than {ARCHIVE_ENTRIES_MAX} entries"
            )));
        }
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .map_err(|_| OciError::entry(bytes, "has a name that is not UTF-8"))
        };
        let name = text(&named.name.join(&b'/'))?;
        let twice = match named.entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let span = Span { at: named.entry.raw_file_position(), length: named.entry.size() };
                links.contains_key(&name) || entries.insert(name.clone(), span).is_some()
            }
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let target = if named.entry.header().entry_type() == tar::EntryType::Link {
                    text(&named.link)?
                } else {
                    beside(&name, &text(&named.link)?)
                };
                entries.contains_key(&name) || links.insert(name.clone(), target).is_some()
            }
            _ => false,
        };
        if twice {
            return Err(OciError::entry(name.as_bytes(), "is there twice"));
        }
    }
    for (name, target) in links {
        if let Some(span) = entries.get(&target).copied() {
            entries.insert(name, span);
        }
    }
    Ok(entries)
}

/// Where a link in an archive leads.
fn beside(link: &str, target: &str) -> String {
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn parse<'j, T: Deserialize<'j>>(name: &str, bytes: &'j [u8]) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|error| OciError::malformed(format!("{name}: {error}")))
}

fn missing(name: &str) -> OciError {
    OciError::malformed(format!("{name} is missing"))
}

fn too_large_document() -> OciError {
    OciError::TooLarge(format!(
        "an index, manifest or configuration has more than {DOCUMENT_BYTES_MAX} bytes"
    ))
}

#[derive(Debug, Deserialize)]
struct Layout {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// A part of a file.
struct Part {
    file: Arc<File>,
    span: Span,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.span.length).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most) else { return Ok(0) };
        let length = self.file.read_at(buffer, self.span.at)?;
        self.span.at += length as u64;
        self.span.length -= length as u64;
        Ok(length)
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// `O_NONBLOCK`: a pipe is not waited for.
const NO_WAITING: i32 = 0o4_000;
