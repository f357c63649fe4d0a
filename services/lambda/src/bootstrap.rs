//! The programs that run first in an environment and call the function: ours, for Python and Node.js. A custom runtime
//! brings its own.

use std::path::Path;

use casemate_sandbox::{Bootstrap, BootstrapFile, Family, Mount, Runtime};

/// Where the host's Python packages appear inside.
pub(crate) const PYTHON_SDK: &str = "/var/lang-sdk";
/// Where bootstraps appear inside.
pub(crate) const RUNTIME_DIR: &str = "/var/runtime";

const PYTHON: &str = include_str!("bootstrap/python.py");
const NODE: &str = include_str!("bootstrap/node.cjs");
const NODE_CLIENT: &str = include_str!("bootstrap/client.cjs");

/// How a runtime is started.
pub(crate) fn of(runtime: &Runtime, python_sdk: Option<&Path>) -> Bootstrap {
    let interpreter = runtime.interpreter.as_deref().unwrap_or_else(|| Path::new("")).display().to_string();
    match runtime.family {
        Family::Python => Bootstrap {
            files: vec![file("bootstrap.py", PYTHON)],
            // Nothing may be written beside the code, so byte code is not attempted.
            argv: vec![interpreter, "-B".to_owned(), format!("{RUNTIME_DIR}/bootstrap.py")],
            mounts: python_sdk
                .map(|host| Mount { host: host.to_owned(), at: PYTHON_SDK.into() })
                .into_iter()
                .collect(),
        },
        Family::Node => Bootstrap {
            files: vec![file("bootstrap.cjs", NODE), file("client.cjs", NODE_CLIENT)],
            argv: vec![interpreter, format!("{RUNTIME_DIR}/bootstrap.cjs")],
            mounts: Vec::new(),
        },
        Family::Provided => {
            Bootstrap { files: Vec::new(), argv: vec!["/var/task/bootstrap".to_owned()], mounts: Vec::new() }
        }
    }
}

fn file(name: &str, text: &str) -> BootstrapFile {
    BootstrapFile { name: name.to_owned(), contents: text.as_bytes().to_vec() }
}
