//! strace around opwatch: it lets calls fail, kills at one of them, or writes down what is written.

use std::process::Command;

use crate::peers::missing;

/// Whether strace is there and may trace.
pub fn is_there() -> bool {
    let tried = Command::new("strace")
        .args(["-D", "-f", "-o", "/dev/null", "true"])
        .output();
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            missing::<()>("strace", &why).is_some()
        }
        Err(error) => missing::<()>("strace", &error.to_string()).is_some(),
    }
}

/// A program to start opwatch under, which does `what` at those of these calls that `when` says. It counts each
/// call of each thread. It is a grandchild, so that opwatch stays the child.
pub fn inject<'a>(
    calls: &str,
    what: &str,
    when: &str,
    arguments: &'a mut Vec<String>,
) -> Vec<&'a str> {
    *arguments = vec![
        format!("trace={calls}"),
        format!("inject={calls}:{what}:when={when}"),
    ];
    let mut all = vec!["strace", "-D", "-f", "-q", "-o", "/dev/null"];
    for argument in arguments {
        all.extend(["-e", argument.as_str()]);
    }
    all
}
