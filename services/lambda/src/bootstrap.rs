//! The programs that run first in an environment and call the function: ours, for Python, Node.js, Ruby and Java. A custom
//! runtime brings its own.

mod java;

use std::path::Path;

use casemate_sandbox::{Bootstrap, BootstrapFile, Family, Mount, Runtime, Template};

/// Where the host's Python packages appear inside.
pub(crate) const PYTHON_SDK: &str = "/var/lang-sdk";
/// Where bootstraps appear inside.
pub(crate) const RUNTIME_DIR: &str = "/var/runtime";

const PYTHON: &str = include_str!("bootstrap/python.py");
const NODE: &str = include_str!("bootstrap/node.cjs");
const NODE_CLIENT: &str = include_str!("bootstrap/client.cjs");
/// V8 compiles and collects beside the program in one thread, not in four: most functions have less than one processor, and every
/// thread is one more to stop and to wake with each request.
const ONE_WORKER: &str = "--v8-pool-size=1";
const RUBY: &str = include_str!("bootstrap/ruby.rb");

/// How a runtime is started. Takes a second or two the first time where a bootstrap has to be compiled. The error is a
/// sentence.
/// `scratch`: an empty folder.
pub(crate) fn of(runtime: &Runtime, python_sdk: Option<&Path>, scratch: &Path) -> Result<Bootstrap, String> {
    let none = Bootstrap { files: Vec::new(), argv: program(runtime), mounts: Vec::new() };
    Ok(match runtime.family {
        Family::Python => Bootstrap {
            files: vec![file("bootstrap.py", PYTHON)],
            // Nothing may be written beside the code, so byte code is not attempted.
            argv: with(none.argv, &["-B", &format!("{RUNTIME_DIR}/bootstrap.py")]),
            mounts: python_sdk
                .map(|host| Mount { host: host.to_owned(), at: PYTHON_SDK.into() })
                .into_iter()
                .collect(),
        },
        Family::Node => Bootstrap {
            files: vec![file("bootstrap.cjs", NODE), file("client.cjs", NODE_CLIENT)],
            argv: with(none.argv, &[ONE_WORKER, &format!("{RUNTIME_DIR}/bootstrap.cjs")]),
            ..none
        },
        Family::Ruby => Bootstrap {
            files: vec![file("bootstrap.rb", RUBY)],
            argv: with(none.argv, &[&format!("{RUNTIME_DIR}/bootstrap.rb")]),
            ..none
        },
        Family::Java => Bootstrap {
            files: java::classes(runtime, scratch)?,
            argv: with(none.argv, &java::ARGUMENTS),
            ..none
        },
        Family::Provided => none,
    })
}

/// The same root for a function with this much memory: of Java's machine, its heap has a part.
pub(crate) fn with_heap(template: &Template, memory_mb: u32) -> Template {
    let mut argv = template.argv().to_vec();
    argv.insert(argv.len().min(1), java::heap(memory_mb));
    template.with_argv(argv)
}

/// What is executed, before anything of ours.
fn program(runtime: &Runtime) -> Vec<String> {
    if let Some(own) = &runtime.own {
        return own.argv.clone();
    }
    let found = runtime.interpreter.as_deref().map(|path| path.display().to_string());
    vec![found.unwrap_or_else(|| "/var/task/bootstrap".to_owned())]
}

fn with(mut argv: Vec<String>, more: &[&str]) -> Vec<String> {
    argv.extend(more.iter().map(|&text| text.to_owned()));
    argv
}

fn file(name: &str, text: &str) -> BootstrapFile {
    BootstrapFile { name: name.to_owned(), contents: text.as_bytes().to_vec() }
}
