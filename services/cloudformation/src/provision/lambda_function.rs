//! `AWS::Lambda::Function`.

use std::io::{Cursor, Write as _};

use bytes::Bytes;
use casemate_schema::Document;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{
    Before, Failure, Job, Made, Provisioner, Work,
    kind::{Form, Kind, To, property, tag_map},
};
use crate::{
    packages::{self, SCHEME},
    template::{Node, TemplateError, Value},
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Lambda::Function",
    maker: ("lambda", "CreateFunction"),
    properties: &[
        property("Architectures"),
        property("Code").to(To::Own(Form::Any)).required(),
        property("CodeSigningConfigArn"),
        property("DeadLetterConfig"),
        property("Description"),
        property("Environment"),
        property("EphemeralStorage"),
        property("FunctionName").replaces(),
        property("Handler"),
        property("ImageConfig"),
        property("KmsKeyArn").to(To::Member("KMSKeyArn")),
        property("Layers"),
        property("MemorySize"),
        property("PackageType").replaces(),
        property("Role").required(),
        property("Runtime"),
        property("SnapStart"),
        property("Tags").to(To::TagMap("Tags")),
        property("Timeout"),
        property("TracingConfig"),
    ],
    attributes: &["Arn"],
    named_by: Some("FunctionName"),
    provisioner: &Function,
};

/// AWS: function names have at most 64 characters.
pub(crate) const NAME_MAX: usize = 64;
/// AWS: inline code has at most 4 MB.
const INLINE_BYTES_MAX: usize = 4 * 1024 * 1024;

struct Function;

impl Provisioner for Function {
    fn check(&self, properties: &Node) -> Result<(), TemplateError> {
        let Some(code) = properties.get("Code") else { return Ok(()) };
        match &code.value {
            Value::Text(text) if text.starts_with(SCHEME) => packages::hash_of_code(code)
                .map(drop)
                .ok_or_else(|| TemplateError::at(code.line, format!("{text} does not name a package"))),
            Value::Text(text) => {
                let text =
                    format!("the code \"{text}\" is a local path; run `casemate deploy` to package it");
                Err(TemplateError::at(code.line, text))
            }
            Value::Map(entries) => {
                let known = |key: &str| key == "ZipFile" || (key == "ImageUri" && is_image(properties));
                let s3 = entries.iter().find(|entry| !known(&entry.key));
                s3.map_or(Ok(()), |entry| {
                    // DIVERGES: code in S3 is not there yet.
                    let text = if entry.key == "ImageUri" {
                        "Code.ImageUri needs PackageType: Image".to_owned()
                    } else {
                        format!(
                            "Code.{} is not supported: give ZipFile, or a local directory with `casemate deploy`",
                            entry.key
                        )
                    };
                    Err(TemplateError::at(entry.line, text))
                })
            }
            _ => Err(TemplateError::at(code.line, "Code must be an object")),
        }
    }

    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let name = job.name("FunctionName", NAME_MAX);
            let mut request = job.request()?;
            super::gateway::default(&mut request, "FunctionName", name.as_str().into());
            let (member, code) = code(job).await?;
            request.push("Code", Document::structure([(member, code)]));
            let answer = job.hand.call("lambda", "CreateFunction", request).await?;
            let arn = super::gateway::text(&answer, "FunctionArn");
            Ok(Made::of(name, [("Arn", arn)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let changed: Vec<&str> =
                job.kind.changed(before.properties, job.properties).iter().map(|p| p.name).collect();
            if changed.contains(&"CodeSigningConfigArn") {
                // First: what comes after is judged by the new configuration.
                signed_by(job, before).await?;
            }
            let elsewhere = ["Code", "Tags", "Architectures", "CodeSigningConfigArn"];
            if changed.iter().any(|name| !elsewhere.contains(name)) {
                let mut request = job.request_for("lambda", "UpdateFunctionConfiguration")?;
                super::gateway::default(&mut request, "FunctionName", before.id.into());
                forget(job, before, &mut request);
                job.hand.call("lambda", "UpdateFunctionConfiguration", request).await?;
            }
            if changed.iter().any(|name| matches!(*name, "Code" | "Architectures")) {
                let (member, code) = code(job).await?;
                let mut request = Document::structure([("FunctionName", before.id.into()), (member, code)]);
                let architectures = job.request()?.take("Architectures");
                request.push("Architectures", architectures);
                job.hand.call("lambda", "UpdateFunctionCode", request).await?;
            }
            if changed.contains(&"Tags") {
                retag(job, before, "Arn").await?;
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("FunctionName", id.into())]);
            Ok(job.hand.remove("lambda", "DeleteFunction", input).await?)
        })
    }
}

/// Gives the function the code signing configuration of the template, or takes it away.
async fn signed_by(job: &Job<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let mut input = Document::structure([("FunctionName", before.id.into())]);
    if let Some(config) = job.text("CodeSigningConfigArn") {
        input.push("CodeSigningConfigArn", config.into());
        job.hand.call("lambda", "PutFunctionCodeSigningConfig", input).await?;
    } else {
        job.hand.call("lambda", "DeleteFunctionCodeSigningConfig", input).await?;
    }
    Ok(())
}

/// Properties that the template no longer has go back to their defaults.
fn forget(job: &Job<'_>, before: &Before<'_>, request: &mut Document) {
    let gone = |name: &str| before.properties.get(name).is_some() && job.properties.get(name).is_none();
    // AWS: defaults of CreateFunction.
    let defaults = [
        ("DeadLetterConfig", Document::structure([("TargetArn", "".into())])),
        ("Description", Document::from("")),
        ("ImageConfig", Document::empty()),
        ("Environment", Document::structure([("Variables", Document::empty())])),
        ("Layers", Document::List(Vec::new())),
        ("MemorySize", Document::from(128)),
        ("SnapStart", Document::structure([("ApplyOn", "None".into())])),
        ("Timeout", Document::from(3)),
    ];
    for (name, value) in defaults {
        if gone(name) {
            request.push(name, value);
        }
    }
    if gone("KmsKeyArn") {
        request.push("KMSKeyArn", "".into());
    }
}

/// Whether the code is a container image.
fn is_image(properties: &Node) -> bool {
    properties.get("PackageType").and_then(Node::scalar).as_deref() == Some("Image")
}

/// What is sent as code, and as which member.
async fn code(job: &Job<'_>) -> Result<(&'static str, Document), Failure> {
    if !is_image(job.properties) {
        return Ok(("ZipFile", archive(job).await?.into()));
    }
    let uri = job.properties.get("Code").and_then(|code| code.get("ImageUri")).and_then(Node::scalar);
    uri.map(|uri| ("ImageUri", uri.into())).ok_or_else(|| Failure::from("there is no Code.ImageUri"))
}

/// The zip to run: an uploaded package, or inline source as the only file.
async fn archive(job: &Job<'_>) -> Result<Bytes, Failure> {
    let code = job.properties.get("Code").ok_or_else(|| Failure::from("there is no code"))?;
    if let Some(hash) = packages::hash_of_code(code) {
        let found = packages::read(job.hand.env, job.hand.scope, hash).await;
        let found = found.map_err(|fault| Failure::from(fault.message()))?;
        return found
            .ok_or_else(|| Failure::from("the package is not there any more; run `casemate deploy` again"));
    }
    let source =
        code.get("ZipFile").and_then(Node::scalar).ok_or_else(|| Failure::from("there is no code"))?;
    if source.len() > INLINE_BYTES_MAX {
        return Err("the inline code is too long".into());
    }
    // AWS: inline source becomes `index` with the runtime's extension, and only these runtimes may have it.
    let name = match job.text("Runtime").as_deref() {
        Some(runtime) if runtime.starts_with("python") => "index.py",
        Some(runtime) if runtime.starts_with("nodejs") => "index.js",
        _ => return Err("ZipFile can only be used when Runtime is set to a Python or Node.js runtime".into()),
    };
    zip_of(name, source.as_bytes()).map_err(|error| Failure::from(error.to_string().as_str()))
}

fn zip_of(name: &str, content: &[u8]) -> Result<Bytes, zip::result::ZipError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default().unix_permissions(0o644))?;
    writer.write_all(content)?;
    Ok(Bytes::from(writer.finish()?.into_inner()))
}

/// Makes the tags of something of Lambda's what the template says. `attribute` is what its ARN is called.
pub(super) async fn retag(job: &Job<'_>, before: &Before<'_>, attribute: &str) -> Result<(), Failure> {
    let arn = before.existing.attributes.get(attribute).cloned().unwrap_or_default();
    let tags = |node: &Node| node.get("Tags").map_or_else(Document::empty, tag_map);
    let (now, then) = (tags(job.properties), tags(before.properties));
    let gone: Vec<String> =
        then.entries().iter().filter(|(key, _)| now.get(key).is_none()).map(|(key, _)| key.clone()).collect();
    if !gone.is_empty() {
        let input = Document::structure([("Resource", arn.as_str().into()), ("TagKeys", gone.into())]);
        job.hand.call("lambda", "UntagResource", input).await?;
    }
    if !now.entries().is_empty() {
        let input = Document::structure([("Resource", arn.as_str().into()), ("Tags", now)]);
        job.hand.call("lambda", "TagResource", input).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse_value;

    fn refused(text: &str) -> String {
        Function.check(&parse_value(text).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn local_paths_and_s3_are_refused_with_advice() {
        assert_eq!(
            refused("Code: ./functions"),
            "the code \"./functions\" is a local path; run `casemate deploy` to package it (line 1)"
        );
        assert!(refused("Code: {S3Bucket: b, S3Key: k}").contains("Code.S3Bucket is not supported"));
        assert!(refused("Code: casemate-package://xyz").contains("does not name a package"));
        assert!(Function.check(&parse_value("Code: {ZipFile: 'x'}").unwrap()).is_ok());
        assert!(refused("Code: {ImageUri: r.example/app}").contains("needs PackageType: Image"));
        let image = "PackageType: Image\nCode: {ImageUri: r.example/app}";
        assert!(Function.check(&parse_value(image).unwrap()).is_ok());
    }

    #[test]
    fn inline_source_becomes_a_zip() {
        let bytes = zip_of("index.py", b"def handler(e, c): return 1").unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(archive.by_index(0).unwrap().name().unwrap(), "index.py");
    }
}
