//! Checks of the tree that no compiler makes: lengths, who may know whom, and what every file must have.
//!
//! Each rule is a function of one file's path and text. Rules look at production code only: comments, the test module at a
//! file's end and everything under `tests/` are left out where that is said.

use std::fmt;

use crate::{
    Outcome,
    files::{self, Source},
};

/// Files longer than this are reported; longer than [`LINES_MAX`], refused. Design decision: a file should fit one sitting.
const LINES_WARN: usize = 400;
const LINES_MAX: usize = 600;

/// Crates that serve every service alike and therefore may not know one by name.
const PLATFORM: &[&str] = &["kernel", "policy", "schema", "sigv4", "store", "wire"];
/// Words that betray a service in code. IAM and STS are the language of policies itself, so they are not among them.
const SERVICE_WORDS: &[&str] =
    &["apigateway", "cloudformation", "cognito", "dynamodb", "execute-api", "lambda", "\"logs\"", "\"logs:"];

/// A rule that a file breaks.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From one; 0 when the whole file is meant.
    line: usize,
    /// Only a remark.
    remark: bool,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.line == 0 { self.path.clone() } else { format!("{}:{}", self.path, self.line) };
        write!(f, "{}{place}: {}", if self.remark { "remark: " } else { "" }, self.text)
    }
}

impl Source {
    fn finding(&self, line: usize, text: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, remark: false, text: text.into() }
    }

    /// Is it Rust?
    pub(crate) fn is_rust(&self) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extension == "rs")
    }

    fn is_test(&self) -> bool {
        ["/tests/", "/tests.rs", "/benches/", "/fixtures/"].iter().any(|part| self.path.contains(part))
    }

    fn is_generated(&self) -> bool {
        self.text.starts_with("// @generated")
    }

    /// The name of the crate or service folder it lies in.
    fn owner(&self, folder: &str) -> Option<&str> {
        self.path.strip_prefix(folder)?.strip_prefix('/')?.split('/').next()
    }

    /// Lines before the test module, with their numbers; none for test files.
    fn production(&self) -> Vec<(usize, &str)> {
        let end = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        let text = if self.is_test() { "" } else { self.text.get(..end).unwrap_or_default() };
        text.lines().enumerate().map(|(index, line)| (index + 1, line)).collect()
    }

    /// Production lines without comments, but for lines exempted by `// tidy:` on them or just above.
    fn code(&self) -> Vec<(usize, &str)> {
        let mut exempt = false;
        let mut code = Vec::new();
        for (number, line) in self.production() {
            let skip = exempt || line.contains("// tidy:");
            exempt = line.trim_start().starts_with("// tidy:");
            let bare = line.split(" // ").next().unwrap_or(line);
            if !skip && !bare.trim_start().starts_with("//") {
                code.push((number, bare));
            }
        }
        code
    }
}

/// `cargo xtask tidy`
pub(crate) fn run() -> Outcome {
    let sources = files::sources()?;
    let configuration = sources.iter().find(|source| source.path == "docs/configuration.md");
    let configuration = configuration.map_or("", |source| source.text.as_str());
    let mut findings: Vec<Finding> =
        sources.iter().flat_map(|source| of_file(source, configuration)).collect();
    findings.extend(sources.iter().filter_map(|source| untested(source, &sources)));
    for needed in ["CHANGELOG.md", "LICENSE", "README.md", "docs/compat.md"] {
        if !sources.iter().any(|source| source.path == needed) {
            findings.push(Finding {
                path: needed.to_owned(),
                line: 0,
                remark: false,
                text: "is missing".to_owned(),
            });
        }
    }
    let failed = findings.iter().filter(|finding| !finding.remark).count();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let report = format!("{}\ntidy: {} files, {failed} findings", lines.join("\n"), sources.len());
    if failed == 0 { Ok(report) } else { Err(report) }
}

fn of_file(source: &Source, configuration: &str) -> Vec<Finding> {
    let mut findings = spacing(source);
    if source.path.ends_with("Cargo.toml") {
        findings.extend(edges(source));
    }
    if source.is_rust() && !source.path.starts_with("xtask/") {
        findings.extend(length(source));
        findings.extend(uses(source));
        findings.extend(platform(source));
        findings.extend(arns(source));
        findings.extend(reasons(source));
        findings.extend(variables(source, configuration));
        findings.extend(operation_doc(source));
        findings.extend(generated_header(source));
    }
    findings
}

fn spacing(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            findings.push(source.finding(index + 1, "trailing white space"));
        }
        let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME")].iter().any(|word| line.contains(word));
        if unfinished && source.path != "STYLE.md" {
            findings.push(
                source.finding(
                    index + 1,
                    "unfinished work has no place in the tree; finish it or say so in docs",
                ),
            );
        }
    }
    if !source.text.is_empty() && !source.text.ends_with('\n') {
        findings.push(source.finding(0, "no line end at the end"));
    }
    findings
}

fn length(source: &Source) -> Option<Finding> {
    let lines = source.production().len();
    if source.is_generated() || lines <= LINES_WARN || source.text.contains("// tidy: table") {
        return None;
    }
    let text = format!("{lines} lines; the limit is {LINES_MAX}. Split it by what each part knows");
    Some(Finding { remark: lines <= LINES_MAX, ..source.finding(0, text) })
}

/// No service depends on another: neither in its manifest …
fn edges(source: &Source) -> Vec<Finding> {
    let Some(own) = source.owner("services") else { return Vec::new() };
    // Tests may put several services together; production code may not.
    let lines = source.text.lines().take_while(|line| *line != "[dev-dependencies]").enumerate();
    let known =
        |line: &str| services().into_iter().find(|name| *name != own && line.starts_with(&package(name)));
    lines
        .filter_map(|(index, line)| Some((index, known(line)?)))
        .map(|(index, name)| {
            source.finding(index + 1, format!("depends on {name}: call it through call.invoke instead"))
        })
        .collect()
}

/// … nor in its code; and nothing but the server's catalog names one.
fn uses(source: &Source) -> Vec<Finding> {
    let own = source.owner("services");
    if ["server", "testkit"].iter().any(|name| source.owner("crates") == Some(*name)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in source.code() {
        for name in services().into_iter().filter(|name| Some(name.as_str()) != own) {
            if line.contains(&format!("casemate_{name}::")) {
                findings.push(source.finding(number, format!("uses {name} directly: only the catalog may")));
            }
        }
    }
    findings
}

fn services() -> Vec<String> {
    files::names_in(&files::root().join("services"))
}

fn package(folder: &str) -> String {
    format!("casemate-{}.", folder.replace('_', "-"))
}

fn platform(source: &Source) -> Vec<Finding> {
    if !source.owner("crates").is_some_and(|name| PLATFORM.contains(&name)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in source.code() {
        let lower = line.to_ascii_lowercase();
        if let Some(word) = SERVICE_WORDS.iter().find(|word| lower.contains(**word)) {
            findings
                .push(source.finding(number, format!("a platform crate knows a service by name: {word}")));
        }
    }
    findings
}

fn arns(source: &Source) -> Vec<Finding> {
    let allowed = source.path.starts_with("crates/names/") || source.path.ends_with("/resource.rs");
    if allowed || source.is_generated() {
        return Vec::new();
    }
    let written =
        |line: &str| (line.contains("format!(") || line.contains("concat!(")) && line.contains("\"arn:");
    let lines = source.code().into_iter().filter(|(_, line)| written(line));
    lines
        .map(|(number, _)| {
            source.finding(number, "builds an ARN from text: use Arn, in the service's resource.rs")
        })
        .collect()
}

fn reasons(source: &Source) -> Vec<Finding> {
    let empty = |line: &str| ["Public(\"\"", "Identified(\"\""].iter().any(|text| line.contains(text));
    let lines = source.code().into_iter().filter(|(_, line)| empty(line));
    lines
        .map(|(number, _)| source.finding(number, "says that no permission is needed, but not why"))
        .collect()
}

/// Environment variables that production code names must be explained to users.
fn variables(source: &Source, configuration: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in source.code() {
        let read =
            ["env = \"", "env::var(\"", "env::var_os(\""].iter().flat_map(|mark| line.split(mark).skip(1));
        let names = read.chain(line.split('"').filter(|text| text.starts_with("CASEMATE_")));
        for name in names.filter_map(|rest| rest.split('"').next()) {
            if !configuration.contains(&format!("`{name}`")) {
                findings
                    .push(source.finding(number, format!("docs/configuration.md does not explain {name}")));
            }
        }
    }
    findings
}

/// The operation a file in `ops/` implements, as the file's stem.
fn operation(source: &Source) -> Option<&str> {
    let (_, file) = source.path.strip_prefix("services/")?.split_once("/src/ops/")?;
    file.strip_suffix(".rs").filter(|stem| !stem.contains('/'))
}

fn operation_doc(source: &Source) -> Option<Finding> {
    operation(source)?;
    (!source.text.starts_with("//! "))
        .then(|| source.finding(1, "an operation's file begins with its module documentation"))
}

/// An operation needs a test: in its file, or one that names it in the service's own test folder.
fn untested(source: &Source, all: &[Source]) -> Option<Finding> {
    let stem = operation(source)?;
    let service = source.owner("services")?;
    let call: String = stem
        .split('_')
        .map(|word| word.get(..1).unwrap_or("").to_uppercase() + word.get(1..).unwrap_or(""))
        .collect();
    let names = |text: &str| text.contains(stem) || text.to_lowercase().contains(&call.to_lowercase());
    let tested = source.text.contains("#[cfg(test)]")
        || all.iter().any(|other| {
            (other.path.starts_with(&format!("services/{service}/tests/"))
                || other.path.starts_with("suites/")
                || other.path.starts_with("crates/testkit/tests/")
                || (other.path.starts_with(&format!("services/{service}/src/"))
                    && other.path.contains("/tests")))
                && names(&other.text)
        });
    (!tested).then(|| source.finding(0, "no test names this operation"))
}

fn generated_header(source: &Source) -> Option<Finding> {
    let service = source.owner("services")?;
    let generated =
        ["api.rs", "ops.rs"].iter().any(|name| source.path == format!("services/{service}/src/{name}"));
    let wanted = format!("// @generated by cargo xtask codegen from models/{service}.json. Do not edit.\n");
    (generated && !source.text.starts_with(&wanted))
        .then(|| source.finding(1, "the generated file's header is gone; run codegen"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(path: &str, text: &str) -> Vec<String> {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        of_file(&source, "`CASEMATE_PORT`").iter().map(ToString::to_string).collect()
    }

    fn complains(path: &str, text: &str, about: &str) -> bool {
        says(path, text).iter().any(|finding| finding.contains(about))
    }

    #[test]
    fn long_files_are_refused_and_longish_ones_remarked() {
        let lines = |n: usize| "fn x() {}\n".repeat(n);
        assert!(says("crates/a/src/x.rs", &lines(400)).is_empty());
        assert!(says("crates/a/src/x.rs", &lines(401)).concat().starts_with("remark: "));
        assert!(says("crates/a/src/x.rs", &lines(601)).concat().starts_with("crates/a"));
        assert!(says("crates/a/tests/x.rs", &lines(601)).is_empty());
        assert!(says("crates/a/src/x.rs", &format!("// tidy: table\n{}", lines(601))).is_empty());
        let tested = format!("{}\n#[cfg(test)]\nmod tests {{\n{}}}\n", lines(10), lines(700));
        assert!(says("crates/a/src/x.rs", &tested).is_empty());
    }

    #[test]
    fn services_may_not_know_each_other() {
        assert!(complains(
            "services/iam/Cargo.toml",
            "casemate-cognito-idp.workspace = true\n",
            "depends on cognito_idp"
        ));
        assert!(!complains("services/iam/Cargo.toml", "casemate-kernel.workspace = true\n", "depends"));
        assert!(complains("services/iam/src/x.rs", "use casemate_lambda::Lambda;\n", "uses lambda"));
        assert!(!complains("crates/server/src/catalog.rs", "use casemate_lambda::Lambda;\n", "uses lambda"));
    }

    #[test]
    fn platform_crates_name_no_service_outside_comments_and_exemptions() {
        assert!(complains("crates/kernel/src/x.rs", "if name == \"lambda\" {}\n", "by name"));
        assert!(!complains("crates/kernel/src/x.rs", "// lambda is called\n", "by name"));
        assert!(!complains(
            "crates/kernel/src/x.rs",
            "// tidy: a public constant\nlet a = \"lambda\";\n",
            "by name"
        ));
        assert!(!complains("crates/server/src/x.rs", "if name == \"lambda\" {}\n", "by name"));
    }

    #[test]
    fn arns_are_built_in_one_place() {
        assert!(complains("services/iam/src/x.rs", "format!(\"arn:aws:iam\")\n", "builds an ARN"));
        assert!(!complains("services/iam/src/resource.rs", "format!(\"arn:aws:iam\")\n", "builds an ARN"));
    }

    #[test]
    fn reasons_variables_spacing_and_leftovers_are_noticed() {
        assert!(complains("services/iam/src/ops/x.rs", "//! X\nAccess::Public(\"\")\n", "not why"));
        assert!(complains(
            "crates/server/src/x.rs",
            "read(\"CASEMATE_OTHER\")\n",
            "does not explain CASEMATE_OTHER"
        ));
        assert!(!complains("crates/server/src/x.rs", "read(\"CASEMATE_PORT\")\n", "does not explain"));
        assert!(complains(
            "crates/server/src/x.rs",
            "#[arg(env = \"AWS_REGION\")]\n",
            "does not explain AWS_REGION"
        ));
        assert!(complains("docs/a.md", "a \n", "white space"));
        assert!(complains("docs/a.md", concat!("TO", "DO later\n"), "unfinished"));
        assert!(complains("docs/a.md", "a", "no line end"));
    }

    #[test]
    fn operations_need_documentation_a_test_and_their_header() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        assert!(complains("services/iam/src/ops/create_user.rs", "use a;\n", "module documentation"));
        let operation = source("services/iam/src/ops/create_user.rs", "//! `CreateUser`.\n");
        let test = source("services/iam/tests/it/users.rs", "world.call(\"CreateUser\")\n");
        assert!(untested(&operation, &[]).is_some());
        assert!(untested(&operation, &[test]).is_none());
        assert!(complains("services/iam/src/api.rs", "pub struct A;\n", "header is gone"));
    }
}
